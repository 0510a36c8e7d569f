output "name" {
  description = "Name of the function."
  value       = one(aws_lambda_function.function[*].function_name)
}

output "arn" {
  description = "ARN of the function."
  value       = one(aws_lambda_function.function[*].arn)
}

output "invoke_arn" {
  description = "ARN by which API Gateway calls the function."
  value       = one(aws_lambda_function.function[*].invoke_arn)
}

output "role_name" {
  description = "Name of the function's role."
  value       = one(aws_iam_role.function[*].name)
}

output "policy" {
  description = "What the function may do, as JSON."
  value       = local.policy
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = one(aws_cloudwatch_log_group.function[*].name)
}

output "reserved_concurrency" {
  description = "How many calls run at a time at most; -1 for no bound of its own."
  value       = var.reserved_concurrency
}

output "environment" {
  description = "Environment variables of the function."
  value       = var.environment
}
