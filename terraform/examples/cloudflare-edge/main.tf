# Events are taken by a Worker near the visitor and stored in an account of one's own. The Worker is deployed by wrangler,
# which terraform runs: make worker comes first.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "headwater", deployment = var.name }
  }
}

# The token is in CLOUDFLARE_API_TOKEN.
provider "cloudflare" {}

module "lake" {
  source = "../../modules/lake"

  name          = var.name
  projects_file = var.projects_file
}

module "event_queue" {
  source = "../../modules/event-queue"

  name         = var.name
  sender_users = ["a", "b"]
}

module "collector" {
  source = "../../modules/collector-cloudflare"

  name          = var.name
  account_id    = var.cloudflare_account_id
  queue_url     = module.event_queue.queue_url
  domain        = var.domain
  worker_folder = "${path.root}/../../../infra/worker"
}

module "publisher" {
  source = "../../modules/snapshot-publisher"

  name            = var.name
  package_file    = "${var.packages_folder}/publisher.zip"
  lake            = module.lake
  cloudflare      = module.collector
  token_parameter = "/${var.name}/cloudflare-token"
}

module "compactor" {
  source = "../../modules/compactor"

  name         = var.name
  package_file = "${var.packages_folder}/compactor.zip"
  lake         = module.lake
  event_queue  = module.event_queue
}

module "query" {
  source = "../../modules/query"

  name         = var.name
  package_file = "${var.packages_folder}/query.zip"
  lake         = module.lake
  event_queue  = module.event_queue
}

module "observability" {
  source = "../../modules/observability"

  name        = var.name
  lake        = module.lake
  event_queue = module.event_queue
  compactor   = module.compactor
  query       = module.query
}
