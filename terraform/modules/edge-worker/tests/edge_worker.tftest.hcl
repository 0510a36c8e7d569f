variables {
  name          = "headwater"
  account_id    = "0123456789abcdef0123456789abcdef"
  namespace_id  = "fedcba9876543210fedcba9876543210"
  queue_url     = "https://sqs.eu-central-1.amazonaws.com/123456789012/headwater-events"
  worker_folder = "./tests/worker"
  wrangler      = "test -s dist/wrangler.json && echo would run:"
}

run "a_domain_of_ones_own_takes_the_place_of_workers_dev" {
  command = plan
  variables {
    domain = "events.example.com"
  }
  assert {
    condition     = !jsondecode(output.configuration).workers_dev && jsondecode(output.configuration).routes == [{ pattern = "events.example.com", custom_domain = true }]
    error_message = "The Worker is not at the domain, or not only there."
  }
  assert {
    condition     = output.url == "https://events.example.com"
    error_message = "The address is not the domain's."
  }
}

run "tiers_are_what_was_chosen_and_count_apart_from_other_workers" {
  command = plan
  variables {
    requests_in_ten_seconds = { small = 10 }
    first_rate_limit        = 2001
  }
  assert {
    condition = [for limit in jsondecode(output.configuration).ratelimits : [limit.name, limit.namespace_id, limit.simple.limit]] == [
      ["RATE_SMALL", "2001", 10], ["RATE_MEDIUM", "2002", 20000], ["RATE_LARGE", "2003", 500000],
    ]
    error_message = "The limits are others."
  }
}

run "a_region_is_told_only_where_the_url_does_not_name_it" {
  command = plan
  assert {
    condition     = keys(jsondecode(output.configuration).vars) == ["SQS_QUEUE_URL"] && !contains(keys(jsondecode(output.configuration)), "routes")
    error_message = "Something is set that was not given."
  }
}

run "a_worker_that_is_not_built_is_refused" {
  command = plan
  variables {
    worker_folder = "./tests"
  }
  expect_failures = [var.worker_folder]
}

run "without_deploy_wrangler_is_not_run" {
  variables {
    deploy = false
  }
  assert {
    condition     = length(terraform_data.deployment) == 0 && output.name == "headwater-edge"
    error_message = "wrangler was run."
  }
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create       = false
    namespace_id = null
  }
  assert {
    condition     = length(terraform_data.deployment) == 0 && length(terraform_data.worker) == 0
    error_message = "Something was made."
  }
}
