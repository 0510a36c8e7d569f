output "queue_url" {
  description = "URL of the queue, which the collector sends to (`SQS_QUEUE_URL` of the Worker)."
  value       = one(aws_sqs_queue.events[*].id)
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = one(aws_sqs_queue.events[*].arn)
}

output "queue_name" {
  description = "Name of the queue, for alarms."
  value       = one(aws_sqs_queue.events[*].name)
}

output "dead_letter_queue_url" {
  description = "URL of the queue of dead letters."
  value       = one(aws_sqs_queue.dead[*].id)
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue of dead letters."
  value       = one(aws_sqs_queue.dead[*].arn)
}

output "dead_letter_queue_name" {
  description = "Name of the queue of dead letters, for alarms."
  value       = one(aws_sqs_queue.dead[*].name)
}

output "visibility_timeout_seconds" {
  description = "How long a received message stays hidden."
  value       = one(aws_sqs_queue.events[*].visibility_timeout_seconds)
}

output "sender_user_names" {
  description = "Names of the IAM users that may send; `aws iam create-access-key --user-name ...` gives one a key."
  value       = { for name, user in aws_iam_user.sender : name => user.name }
}

output "kms_key_arn" {
  description = "The key that encrypts the messages; null where it is one of SQS."
  value       = var.kms_key_arn
}
