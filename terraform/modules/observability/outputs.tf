output "alarm_names" {
  description = "Names of the alarms."
  value       = [for alarm in aws_cloudwatch_metric_alarm.alarm : alarm.alarm_name]
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = one(aws_cloudwatch_dashboard.headwater[*].dashboard_name)
}

output "metrics_namespace" {
  description = "Namespace of the figures that are read from the compactor's log."
  value       = local.namespace
}
