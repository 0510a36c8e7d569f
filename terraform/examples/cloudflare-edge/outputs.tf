output "events_url" {
  description = "Where events are sent; null on workers.dev, where wrangler says it."
  value       = module.collector.url
}

output "query_url" {
  description = "Where questions are asked: `POST <url>/api/v1/insights/query` with an API key."
  value       = module.query.url
}

output "worker_name" {
  description = "Name of the Worker, for `wrangler secret put --name`."
  value       = module.collector.worker_name
}

output "sender_user_names" {
  description = "IAM users that may send events and nothing else; make a key with `aws iam create-access-key --user-name ...` and put it into the Worker."
  value       = module.event_queue.sender_user_names
}

output "bucket" {
  description = "The bucket with the tables."
  value       = module.lake.bucket
}

output "functions" {
  description = "Names of the functions."
  value = {
    compactor = module.compactor.function_name
    publisher = module.publisher.function_name
    query     = module.query.function_name
  }
}
