# The queue between collector and compactor, and the queue of messages that could not be stored.

locals {
  # With a key of its own the queue is encrypted by KMS, else by a key that SQS manages.
  managed_encryption = var.kms_key_arn == null ? true : null

  # Nobody sends or reads without TLS.
  tls_only = {
    for name, queue in { events = aws_sqs_queue.events, dead = aws_sqs_queue.dead } : name => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = one(queue[*].arn)
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    })
  }

  send_statements = concat(
    [{
      Sid      = "SendEvents"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = one(aws_sqs_queue.events[*].arn)
    }],
    var.kms_key_arn == null ? [] : [{
      Sid      = "EncryptEvents"
      Effect   = "Allow"
      Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
      Resource = var.kms_key_arn
    }],
  )
}

resource "aws_sqs_queue" "dead" {
  count = var.create ? 1 : 0

  name                      = "${var.name}-events-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = local.managed_encryption
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

resource "aws_sqs_queue" "events" {
  count = var.create ? 1 : 0

  name                       = "${var.name}-events"
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = var.retention_seconds
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = local.managed_encryption
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[0].arn
    maxReceiveCount     = var.maximum_receives
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count = var.create ? 1 : 0

  queue_url = aws_sqs_queue.dead[0].id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events[0].arn]
  })
}

resource "aws_sqs_queue_policy" "events" {
  count = var.create ? 1 : 0

  queue_url = aws_sqs_queue.events[0].id
  policy    = local.tls_only.events
}

resource "aws_sqs_queue_policy" "dead" {
  count = var.create ? 1 : 0

  queue_url = aws_sqs_queue.dead[0].id
  policy    = local.tls_only.dead
}

# What a collector outside of AWS signs in as. Its access keys are made beside Terraform, so that no secret is in the
# state; two users make it possible to change keys without a gap.
resource "aws_iam_user" "sender" {
  for_each = toset([for user in var.sender_users : user if var.create])

  name = "${var.name}-sender-${each.key}"
  path = "/headwater/"
  tags = var.tags
}

resource "aws_iam_user_policy" "sender" {
  for_each = toset([for user in var.sender_users : user if var.create])

  name   = "send-events"
  user   = aws_iam_user.sender[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.send_statements })
}
