"""Requests to the query function, as API Gateway hands them on."""
import base64
import json


def ask(function, method, path, key, body=None):
    """The status of the answer, and its JSON."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "host": "api.test"}
    answer = function.call({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "0", "apiId": "api", "domainName": "api.test", "domainPrefix": "api", "requestId": "1",
            "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 0,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
        },
        "body": json.dumps(body) if body is not None else None, "isBase64Encoded": False,
    })
    text = answer.get("body") or ""
    text = base64.b64decode(text) if answer.get("isBase64Encoded") else text
    return answer["statusCode"], json.loads(text)
