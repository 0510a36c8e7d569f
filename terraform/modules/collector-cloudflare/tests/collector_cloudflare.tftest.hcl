mock_provider "cloudflare" {
  mock_resource "cloudflare_workers_kv_namespace" {
    defaults = {
      id = "fedcba9876543210fedcba9876543210"
    }
  }
}

variables {
  name          = "headwater"
  account_id    = "0123456789abcdef0123456789abcdef"
  queue_url     = "https://sqs.eu-central-1.amazonaws.com/123456789012/headwater-events"
  worker_folder = "./tests/worker"
  deploy        = false
}

run "the_worker_and_the_publisher_share_one_namespace" {
  assert {
    condition     = jsondecode(output.configuration).kv_namespaces == [{ binding = "HEADWATER", id = output.namespace_id }]
    error_message = "The Worker reads another namespace."
  }
  assert {
    condition     = cloudflare_workers_kv_namespace.headwater[0].account_id == var.account_id && output.account_id == var.account_id
    error_message = "The namespace is in another account."
  }
}

run "nothing_is_made_where_nothing_is_wanted" {
  variables {
    create = false
  }
  assert {
    condition     = output.namespace_id == null
    error_message = "Something was made."
  }
}
