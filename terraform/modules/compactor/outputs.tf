output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.compactor.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.compactor.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.compactor.name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.compactor.name
}
