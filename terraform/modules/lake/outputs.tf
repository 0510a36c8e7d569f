output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.lake.id
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.lake.arn
}

output "lake_url" {
  description = "Where the tables are."
  value       = "s3://${aws_s3_bucket.lake.id}/lake"
}

output "projects_url" {
  description = "Where projects.json is."
  value       = "s3://${aws_s3_bucket.lake.id}/${local.projects_key}"
}

output "kms_key_arn" {
  description = "The key that encrypts the bucket; null where it is one of S3."
  value       = var.kms_key_arn
}
