mock_provider "aws" {
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:mocked"
      id  = "https://sqs.eu-central-1.amazonaws.com/123456789012/mocked"
    }
  }
}

variables {
  name = "headwater"
}

run "a_message_that_fails_a_hundred_times_is_kept_as_a_dead_letter_for_14_days" {
  assert {
    condition     = jsondecode(aws_sqs_queue.events[0].redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead[0].arn, maxReceiveCount = 100 }
    error_message = "The redrive policy does not lead to the queue of dead letters after a hundred receives."
  }
  assert {
    condition     = aws_sqs_queue.dead[0].message_retention_seconds == 1209600 && aws_sqs_queue.events[0].message_retention_seconds == 1209600
    error_message = "Messages are not kept as long as SQS can."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead[0].redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.events[0].arn]
    error_message = "Another queue may send its dead letters here."
  }
}

run "both_queues_are_encrypted_and_refuse_to_be_used_without_tls" {
  assert {
    condition     = aws_sqs_queue.events[0].sqs_managed_sse_enabled && aws_sqs_queue.dead[0].sqs_managed_sse_enabled
    error_message = "A queue is not encrypted."
  }
  assert {
    condition = alltrue([for policy in [aws_sqs_queue_policy.events[0].policy, aws_sqs_queue_policy.dead[0].policy] :
    jsondecode(policy).Statement[0].Effect == "Deny" && jsondecode(policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "A queue can be used without TLS."
  }
}

run "a_key_of_ones_own_replaces_the_one_of_sqs_and_senders_may_use_it" {
  variables {
    kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/1"
    sender_users = ["a", "b"]
  }
  assert {
    condition     = aws_sqs_queue.events[0].kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead[0].kms_master_key_id == var.kms_key_arn
    error_message = "The key is not used."
  }
  assert {
    condition     = length(aws_iam_user.sender) == 2
    error_message = "There are not two senders."
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_user_policy.sender["a"].policy).Statement : statement.Action] == ["sqs:SendMessage", ["kms:GenerateDataKey", "kms:Decrypt"]]
    error_message = "A sender may do something else than send."
  }
}

run "a_sender_may_send_to_the_one_queue_and_nothing_else" {
  variables {
    sender_users = ["a"]
  }
  assert {
    condition     = jsondecode(aws_iam_user_policy.sender["a"].policy).Statement == [{ Sid = "SendEvents", Effect = "Allow", Action = "sqs:SendMessage", Resource = aws_sqs_queue.events[0].arn }]
    error_message = "A sender's policy is wider than sending."
  }
}

run "few_receives_are_refused" {
  command = plan
  variables {
    maximum_receives = 10
  }
  expect_failures = [var.maximum_receives]
}

run "a_name_that_is_no_name_is_refused" {
  command = plan
  variables {
    name = "Headwater!"
  }
  expect_failures = [var.name]
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create       = false
    sender_users = ["a"]
  }
  assert {
    condition     = output.queue_url == null && length(aws_iam_user.sender) == 0
    error_message = "Something was made."
  }
}
