# The least that takes events, stores them and answers questions in an account of one's own. A Worker at the edge, or
# anything else, may send to the queue besides.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "headwater", deployment = var.name }
  }
}

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
  source = "../../modules/collector-lambda"

  name         = var.name
  package_file = "${var.packages_folder}/collector.zip"
  architecture = var.architecture
  lake         = module.lake
  event_queue  = module.event_queue
}

module "compactor" {
  source = "../../modules/compactor"

  name         = var.name
  package_file = "${var.packages_folder}/compactor.zip"
  architecture = var.architecture
  lake         = module.lake
  event_queue  = module.event_queue
}

module "query" {
  source = "../../modules/query"

  name         = var.name
  package_file = "${var.packages_folder}/query.zip"
  architecture = var.architecture
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
  collector   = module.collector
}
