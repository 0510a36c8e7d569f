output "queue_url" {
  description = "URL of the queue, which the collector sends to (`SQS_QUEUE_URL` of the Worker)."
  value       = aws_sqs_queue.events.id
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.events.arn
}

output "queue_name" {
  description = "Name of the queue, for alarms."
  value       = aws_sqs_queue.events.name
}

output "dead_letter_queue_url" {
  description = "URL of the queue of dead letters."
  value       = aws_sqs_queue.dead.id
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue of dead letters."
  value       = aws_sqs_queue.dead.arn
}

output "dead_letter_queue_name" {
  description = "Name of the queue of dead letters, for alarms."
  value       = aws_sqs_queue.dead.name
}

output "visibility_timeout_seconds" {
  description = "How long a received message stays hidden."
  value       = aws_sqs_queue.events.visibility_timeout_seconds
}

output "sender_user_names" {
  description = "Names of the IAM users that may send; `aws iam create-access-key --user-name ...` gives one a key."
  value       = { for name, user in aws_iam_user.sender : name => user.name }
}
