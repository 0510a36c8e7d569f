output "events_url" {
  description = "Where events are sent: `POST <url>/api/v1/events` with a write key; pages load `<url>/hw.js`."
  value       = module.collector.url
}

output "query_url" {
  description = "Where questions are asked: `POST <url>/api/v1/insights/query` with an API key."
  value       = module.query.url
}

output "distribution_domain" {
  description = "What the DNS record of a domain of one's own points to."
  value       = module.collector.distribution_domain
}

output "queue_urls" {
  description = "The queue, and the queue of dead letters."
  value       = { events = module.event_queue.queue_url, dead = module.event_queue.dead_letter_queue_url }
}

output "bucket" {
  description = "The bucket with the tables."
  value       = module.lake.bucket
}

output "functions" {
  description = "Names of the functions."
  value = {
    collector = module.collector.function_name
    compactor = module.compactor.function_name
    query     = module.query.function_name
  }
}
