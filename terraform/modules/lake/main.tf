# The bucket: tables below `lake/`, projects.json and the salts of visitor ids below `config/`, the functions' code below
# `packages/`, large answers for a day below `answers/`.

data "aws_caller_identity" "current" {}

locals {
  bucket_name   = coalesce(var.bucket_name, "${var.name}-lake-${data.aws_caller_identity.current.account_id}")
  projects_key  = "config/projects.json"
  encrypted_how = var.kms_key_arn == null ? "AES256" : "aws:kms"
}

resource "aws_s3_bucket" "lake" {
  count = var.create ? 1 : 0

  bucket        = local.bucket_name
  force_destroy = var.destroy_with_events
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "lake" {
  count = var.create ? 1 : 0

  bucket                  = aws_s3_bucket.lake[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  count = var.create ? 1 : 0

  bucket = aws_s3_bucket.lake[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  count = var.create ? 1 : 0

  bucket = aws_s3_bucket.lake[0].id

  rule {
    # Without it each object costs a call of KMS.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.encrypted_how
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "lake" {
  count = var.create ? 1 : 0

  bucket = aws_s3_bucket.lake[0].id

  versioning_configuration {
    status = var.keep_deleted_days > 0 ? "Enabled" : "Suspended"
  }
}

# So that a change of projects.json can be told to whoever listens.
resource "aws_s3_bucket_notification" "lake" {
  count = var.create ? 1 : 0

  bucket      = aws_s3_bucket.lake[0].id
  eventbridge = true
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  count = var.create ? 1 : 0

  # S3 takes rules about earlier versions only once versions are kept.
  depends_on = [aws_s3_bucket_versioning.lake]

  bucket = aws_s3_bucket.lake[0].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  rule {
    id     = "deleted-files"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = max(var.keep_deleted_days, 1)
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "answers"
    status = "Enabled"

    filter {
      prefix = "answers/"
    }

    expiration {
      days = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  # The salts of daily visitor ids: once they are gone, nobody can tell which visitor had which id. A day's salt is of
  # use until the next midnight; S3 counts from the midnight after it was made, and then deletes what it hid.
  rule {
    id     = "salts"
    status = "Enabled"

    filter {
      prefix = "config/salts/"
    }

    expiration {
      days = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
}

# A page that asks a question is sent to a link into the bucket where the answer is large. The link is what opens it, so
# any page may follow one.
resource "aws_s3_bucket_cors_configuration" "lake" {
  count = var.create ? 1 : 0

  bucket = aws_s3_bucket.lake[0].id

  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = ["*"]
    max_age_seconds = 86400
  }
}

resource "aws_s3_bucket_policy" "lake" {
  count = var.create ? 1 : 0

  # A policy that is put while public access is being blocked is sometimes refused.
  depends_on = [aws_s3_bucket_public_access_block.lake]

  bucket = aws_s3_bucket.lake[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.lake[0].arn, "${aws_s3_bucket.lake[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# Projects and hashes of keys. Only the file's hash is kept in the state.
resource "aws_s3_object" "projects" {
  count      = var.create ? 1 : 0
  depends_on = [aws_s3_bucket_server_side_encryption_configuration.lake, aws_s3_bucket_versioning.lake]

  bucket       = aws_s3_bucket.lake[0].id
  key          = local.projects_key
  source       = var.projects_file
  source_hash  = filesha256(var.projects_file)
  content_type = "application/json"
  tags         = var.tags
}
