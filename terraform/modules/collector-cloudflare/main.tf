# The collector at the edge: a namespace of Workers KV, and the Worker in front of the queue.

resource "cloudflare_workers_kv_namespace" "headwater" {
  count = var.create ? 1 : 0

  account_id = var.account_id
  title      = "${var.name}-edge"
}

module "worker" {
  source = "../edge-worker"
  create = var.create

  name                    = var.name
  account_id              = var.account_id
  namespace_id            = one(cloudflare_workers_kv_namespace.headwater[*].id)
  queue_url               = var.queue_url
  queue_region            = var.queue_region
  domain                  = var.domain
  requests_in_ten_seconds = var.requests_in_ten_seconds
  first_rate_limit        = var.first_rate_limit
  worker_folder           = var.worker_folder
  deploy                  = var.deploy
  wrangler                = var.wrangler
  tags                    = var.tags
}
