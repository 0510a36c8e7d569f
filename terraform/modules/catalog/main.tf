# AWS's catalog of tables, so that Athena reads the Delta tables where they lie: one database a project. Athena (engine 3)
# and Spark take the files from the table's own log; the catalog tells them only where it is. No manifest, no crawler.

locals {
  # Written by a test of crates/lake from where the columns are declared.
  tables = { for table in jsondecode(file("${path.module}/tables.json")) : table.name => table }

  # Names of Hive have no hyphens.
  databases = { for id in var.lake.project_ids : id => replace("${var.name}_${id}", "-", "_") if var.create }

  entries = merge([
    for id, database in local.databases : {
      for name, table in local.tables : "${id}/${name}" => { database = database, project = id, table = table }
    }
  ]...)
}

resource "aws_glue_catalog_database" "project" {
  for_each = local.databases

  name        = each.value
  description = "Headwater: events of the project ${each.key}"
  tags        = var.tags
}

resource "aws_glue_catalog_table" "table" {
  for_each = local.entries

  name          = each.value.table.name
  database_name = aws_glue_catalog_database.project[each.value.project].name
  description   = each.value.table.meaning
  table_type    = "EXTERNAL_TABLE"

  # The first is what Athena looks at, the second what Spark does.
  parameters = {
    table_type                   = "DELTA"
    "spark.sql.sources.provider" = "delta"
    EXTERNAL                     = "TRUE"
  }

  storage_descriptor {
    location      = "${var.lake.lake_url}/projects/${each.value.project}/${each.value.table.name}/"
    input_format  = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

      parameters = {
        "serialization.format" = "1"
        path                   = "${var.lake.lake_url}/projects/${each.value.project}/${each.value.table.name}/"
      }
    }

    dynamic "columns" {
      for_each = [for column in each.value.table.columns : column if !(each.value.table.partitioned && column.name == "month")]

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = substr(columns.value.meaning, 0, 255)
      }
    }
  }

  dynamic "partition_keys" {
    for_each = each.value.table.partitioned ? ["month"] : []

    content {
      name = partition_keys.value
      type = "string"
    }
  }

  lifecycle {
    # Athena and Spark note here what they have seen in the table's log, such as columns of promoted properties.
    ignore_changes = [parameters["delta.lastUpdateVersion"], parameters["delta.lastCommitTimestamp"]]

    precondition {
      condition     = length(distinct(values(local.databases))) == length(local.databases)
      error_message = "Two projects differ only by - and _, which a database's name cannot tell apart."
    }
  }
}

# Athena of the version that reads Delta, with a bound on what one question may cost and its answers in the bucket.
resource "aws_athena_workgroup" "headwater" {
  count = var.create ? 1 : 0

  name          = var.name
  description   = "Headwater: SQL over the Delta tables"
  force_destroy = true
  tags          = var.tags

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.most_gigabytes_per_query * 1000000000

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      # Below what the bucket deletes after a day.
      output_location = "s3://${coalesce(var.lake.bucket, "none")}/answers/athena/"

      encryption_configuration {
        encryption_option = var.lake.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.lake.kms_key_arn
      }
    }
  }
}
