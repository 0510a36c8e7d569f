# The collector as a function, for those without Cloudflare: CloudFront, which knows where visitors are, in front of an
# HTTP API in front of the function.

locals {
  function_name = "${var.name}-collector"

  # nonsensitive: whether there are secrets is none.
  generates_secret = var.create && nonsensitive(length(var.origin_secrets)) == 0
  origin_secrets   = local.generates_secret ? [sensitive(terraform_data.origin_secret[0].output)] : var.origin_secrets
}

# 122 random bits, made once. Not `random_password`, so that the module needs one provider only.
resource "terraform_data" "origin_secret" {
  count = local.generates_secret ? 1 : 0

  input = uuid()

  lifecycle {
    ignore_changes = [input]
  }
}

module "function" {
  source = "../function"
  create = var.create

  name                 = local.function_name
  description          = "Headwater: takes events"
  package              = "collector"
  package_file         = var.package_file
  architecture         = var.architecture
  bucket               = var.lake.bucket
  memory_mb            = var.memory_mb
  time_limit_seconds   = var.time_limit_seconds
  reserved_concurrency = var.reserved_concurrency
  kms_key_arns         = compact([var.lake.kms_key_arn, var.event_queue.kms_key_arn])
  log                  = var.log
  log_retention_days   = var.log_retention_days
  log_kms_key_arn      = var.log_kms_key_arn
  tags                 = var.tags

  environment = {
    HEADWATER_QUEUE_URL     = var.event_queue.queue_url
    HEADWATER_PROJECTS_URL  = var.lake.projects_url
    HEADWATER_SALTS_URL     = "s3://${coalesce(var.lake.bucket, "none")}/config/salts"
    HEADWATER_ORIGIN_SECRET = join(",", local.origin_secrets)
    # The API knows itself by another name, and what is sent there comes without the visitor's place.
    HEADWATER_PUBLIC_HOST = coalesce(try(var.domain.name, null), one(aws_cloudfront_distribution.collector[*].domain_name), "none")
  }

  statements = [
    {
      sid       = "SendEvents"
      actions   = ["sqs:SendMessage"]
      resources = [var.event_queue.queue_arn]
    },
    {
      sid       = "ReadProjectsAndSalts"
      actions   = ["s3:GetObject"]
      resources = ["${var.lake.bucket_arn}/config/projects.json", "${var.lake.bucket_arn}/config/salts/*"]
    },
    {
      # A day's salt is made by whoever needs it first, and never changed.
      sid       = "MakeSalts"
      actions   = ["s3:PutObject"]
      resources = ["${var.lake.bucket_arn}/config/salts/*"]
      condition = { Null = { "s3:if-none-match" = "false" } }
    },
    {
      # Without it S3 answers 403 and not 404 for a salt that is not there yet.
      sid       = "ListBucket"
      actions   = ["s3:ListBucket"]
      resources = [var.lake.bucket_arn]
    },
  ]
}

module "api" {
  source = "../http-api"
  create = var.create

  name                = local.function_name
  description         = "Headwater: events"
  function_name       = module.function.name
  invoke_arn          = module.function.invoke_arn
  requests_per_second = var.requests_per_second
  tags                = var.tags
}

resource "aws_cloudfront_cache_policy" "never" {
  count = var.create ? 1 : 0

  name        = "${local.function_name}-never"
  comment     = "Events are not cached"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 0

  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

resource "aws_cloudfront_cache_policy" "as_said" {
  count = var.create ? 1 : 0

  name        = "${local.function_name}-as-said"
  comment     = "As long as the collector's Cache-Control says: the same for everybody, whatever the query"
  min_ttl     = 0
  default_ttl = 0
  max_ttl     = 86400

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true

    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

# All of the visitor's headers but Host, by which the API knows itself; CloudFront then adds all of its own
# (CloudFront-Viewer-Address, -Country, -Country-Region, -City, -Time-Zone). To name them one by one is not possible: a
# policy takes ten names at most, and not Authorization.
resource "aws_cloudfront_origin_request_policy" "all" {
  count = var.create ? 1 : 0

  name    = local.function_name
  comment = "Everything but Host, and where the visitor is"

  cookies_config {
    cookie_behavior = "none"
  }
  headers_config {
    header_behavior = "allExcept"
    headers {
      items = ["host"]
    }
  }
  query_strings_config {
    query_string_behavior = "all"
  }
}

resource "aws_cloudfront_distribution" "collector" {
  count = var.create ? 1 : 0

  comment         = "Headwater: ${local.function_name}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.price_class
  aliases         = var.domain == null ? [] : [var.domain.name]
  web_acl_id      = var.web_acl_arn
  tags            = var.tags

  origin {
    origin_id   = "function"
    domain_name = trimprefix(module.api.url, "https://")

    # It overwrites what a visitor sends by this name. Without it the function believes nobody's word on where they are.
    custom_header {
      name  = "x-headwater-origin"
      value = local.origin_secrets[0]
    }

    custom_origin_config {
      http_port                = 80
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_read_timeout      = 30
      origin_keepalive_timeout = 60
    }
  }

  default_cache_behavior {
    target_origin_id         = "function"
    viewer_protocol_policy   = "https-only"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    cache_policy_id          = aws_cloudfront_cache_policy.never[0].id
    origin_request_policy_id = aws_cloudfront_origin_request_policy.all[0].id
  }

  # The tracker, and the settings of Segment's browser libraries.
  dynamic "ordered_cache_behavior" {
    for_each = ["/hw.js", "/v1/projects/*/settings"]

    content {
      path_pattern             = ordered_cache_behavior.value
      target_origin_id         = "function"
      viewer_protocol_policy   = "redirect-to-https"
      allowed_methods          = ["GET", "HEAD", "OPTIONS"]
      cached_methods           = ["GET", "HEAD"]
      compress                 = true
      cache_policy_id          = aws_cloudfront_cache_policy.as_said[0].id
      origin_request_policy_id = aws_cloudfront_origin_request_policy.all[0].id
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = try(var.domain.certificate_arn, null)
    ssl_support_method             = var.domain == null ? null : "sni-only"
    minimum_protocol_version       = var.domain == null ? "TLSv1" : "TLSv1.2_2021"
  }
}
