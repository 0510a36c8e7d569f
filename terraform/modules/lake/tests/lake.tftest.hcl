mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = {
      arn = "arn:aws:s3:::mocked"
      id  = "mocked"
    }
  }
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }
}

variables {
  name          = "headwater"
  projects_file = "./tests/projects.json"
}

run "nothing_in_the_bucket_is_public_or_in_the_clear" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.lake[0].block_public_acls,
      aws_s3_bucket_public_access_block.lake[0].block_public_policy,
      aws_s3_bucket_public_access_block.lake[0].ignore_public_acls,
      aws_s3_bucket_public_access_block.lake[0].restrict_public_buckets,
    ])
    error_message = "Public access is not blocked altogether."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.lake[0].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The bucket is not encrypted."
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.lake[0].policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The bucket can be used without TLS."
  }
  assert {
    condition     = aws_s3_bucket.lake[0].bucket == "headwater-lake-123456789012" && !aws_s3_bucket.lake[0].force_destroy
    error_message = "The bucket's name is not its own, or its events could be destroyed."
  }
}

run "what_was_deleted_can_be_restored_for_a_week" {
  assert {
    condition     = aws_s3_bucket_versioning.lake[0].versioning_configuration[0].status == "Enabled"
    error_message = "Nothing can be restored."
  }
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.lake[0].rule[1].noncurrent_version_expiration).noncurrent_days == 7
    error_message = "What was deleted is not kept for a week."
  }
}

run "salts_of_visitor_ids_and_large_answers_are_deleted_for_good_after_a_day_or_two" {
  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.lake[0].rule :
      [one(rule.filter).prefix, one(rule.noncurrent_version_expiration).noncurrent_days] if try(one(rule.expiration).days, 0) == 1
    ] == [["answers/", 1], ["config/salts/", 1]]
    error_message = "Answers or salts are kept."
  }
}

run "a_change_of_projects_is_told" {
  assert {
    condition     = aws_s3_bucket_notification.lake[0].eventbridge
    error_message = "Nobody hears of a change."
  }
}

run "a_key_of_ones_own_encrypts_the_bucket" {
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.lake[0].rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    error_message = "The key is not used."
  }
}

run "a_file_without_projects_is_refused" {
  command = plan
  variables {
    projects_file = "./versions.tf"
  }
  expect_failures = [var.projects_file]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.bucket == null && output.lake_url == null
    error_message = "Something was made."
  }
}
