# The least that stores events and answers questions in an account of one's own. Events come from the edge Worker or
# from anything else that sends to the queue.

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
}
