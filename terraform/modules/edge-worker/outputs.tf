output "name" {
  description = "Name of the Worker."
  value       = local.configuration.name
}

output "configuration" {
  description = "wrangler's configuration as JSON, for `dist/wrangler.json`."
  value       = local.written
}

output "url" {
  description = "Where events are sent; null on workers.dev, where wrangler says it."
  value       = var.domain == null ? null : "https://${var.domain}"
}
