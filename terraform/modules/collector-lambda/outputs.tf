output "url" {
  description = "Where events are sent: `POST <url>/api/v1/events` with a write key; pages load `<url>/hw.js`."
  value       = one([for distribution in aws_cloudfront_distribution.collector : "https://${try(var.domain.name, distribution.domain_name)}"])
}

output "distribution_domain" {
  description = "CloudFront's own name of the distribution, which the DNS record of a domain of one's own points to."
  value       = one(aws_cloudfront_distribution.collector[*].domain_name)
}

output "api_id" {
  description = "Id of the API between CloudFront and the function, for alarms."
  value       = module.api.id
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.name
}

output "function_arn" {
  description = "ARN of the function."
  value       = module.function.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.function.role_name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.function.log_group_name
}
