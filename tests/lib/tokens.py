"""JSON Web Tokens of HS256 for tests."""
import base64, hashlib, hmac, json, time

SECRET = "a secret that is long enough for HS256, as its setting asks for"


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def unsigned(claims, header, ttl=300):
    return b64(header) + "." + b64({"exp": int(time.time()) + ttl, **claims})


def token(header=None, secret=SECRET, ttl=300, **claims):
    text = unsigned(claims, {"alg": "HS256", **(header or {})}, ttl)
    return text + "." + b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def bearer(text):
    return {"Authorization": "Bearer " + text}
