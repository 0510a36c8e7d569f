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
