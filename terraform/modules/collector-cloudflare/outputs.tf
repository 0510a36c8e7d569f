output "account_id" {
  description = "Id of the account of Cloudflare."
  value       = var.account_id
}

output "namespace_id" {
  description = "Id of the namespace of Workers KV, which the publisher writes to."
  value       = one(cloudflare_workers_kv_namespace.headwater[*].id)
}

output "worker_name" {
  description = "Name of the Worker, for `wrangler secret put --name`."
  value       = module.worker.name
}

output "configuration" {
  description = "wrangler's configuration as JSON."
  value       = module.worker.configuration
}

output "url" {
  description = "Where events are sent; null on workers.dev, where wrangler says it."
  value       = module.worker.url
}
