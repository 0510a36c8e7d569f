output "bucket" {
  description = "Name of the bucket."
  value       = one(aws_s3_bucket.lake[*].id)
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = one(aws_s3_bucket.lake[*].arn)
}

output "lake_url" {
  description = "Where the tables are."
  value       = one([for bucket in aws_s3_bucket.lake : "s3://${bucket.id}/lake"])
}

output "projects_url" {
  description = "Where projects.json is."
  value       = one([for bucket in aws_s3_bucket.lake : "s3://${bucket.id}/${local.projects_key}"])
}

output "kms_key_arn" {
  description = "The key that encrypts the bucket; null where it is one of S3."
  value       = var.kms_key_arn
}

output "project_ids" {
  description = "Ids of the projects in projects.json."
  value       = var.create ? jsondecode(file(var.projects_file)).projects[*].id : []
}
