output "url" {
  description = "The address, without a slash at its end."
  value       = one(aws_apigatewayv2_api.api[*].api_endpoint)
}

output "id" {
  description = "The API's id, for alarms."
  value       = one(aws_apigatewayv2_api.api[*].id)
}
