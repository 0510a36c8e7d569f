output "events_url" {
  description = "Where events are sent: `POST <url>/api/v1/events` with a write key; pages load `<url>/hw.js`."
  value       = module.collector.url
}

output "query_url" {
  description = "Where questions are asked: `POST <url>/api/v1/insights/query` with an API key."
  value       = module.query.url
}

output "queue_url" {
  description = "Where the collector sends events (`SQS_QUEUE_URL` of the Worker)."
  value       = module.event_queue.queue_url
}

output "sender_user_names" {
  description = "IAM users that may send events and nothing else; make keys with `aws iam create-access-key --user-name ...`."
  value       = module.event_queue.sender_user_names
}

output "bucket" {
  description = "The bucket with the tables."
  value       = module.lake.bucket
}

output "lake_url" {
  description = "Where the tables are."
  value       = module.lake.lake_url
}

output "functions" {
  description = "Names of the functions."
  value = {
    collector = module.collector.function_name
    compactor = module.compactor.function_name
    query     = module.query.function_name
  }
}
