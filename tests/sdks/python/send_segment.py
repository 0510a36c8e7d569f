"""Sends one of each call through Segment's own Python SDK: python send_segment.py URL WRITE_KEY"""
import sys

import segment.analytics as analytics

url, write_key = sys.argv[1:]
failures = []
client = analytics.Client(write_key, host=url, gzip=True, on_error=lambda error, items: failures.append(error))
client.track(anonymous_id="python-visitor", event="Product Viewed", properties={"sku": "A1", "price": 12.5})
client.identify(user_id="python-user", anonymous_id="python-visitor", traits={"plan": "free", "seats": 1})
client.track(user_id="python-user", event="Order Completed", properties={"total": 40, "big": 9007199254740993})
client.page(user_id="python-user", category="Docs", name="Home", properties={"url": "https://example.com/docs"})
client.screen(anonymous_id="python-phone", name="Main")
client.group(user_id="python-user", group_id="python-org", traits={"name": "Acme"})
client.track(user_id="python-old-user", event="Product Viewed", properties={"sku": "C3", "price": 7})
client.alias("python-old-user", "python-user")
client.flush()
client.join()
sys.exit(f"the SDK reports {failures}" if failures else 0)
