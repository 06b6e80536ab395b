"""A Kafka transaction of another producer than walwire's, which stays open for as long as a test wants. kcat has none to offer:
it sends nothing before its input ends."""
import contextlib, ctypes, uuid

COPY = 2  # RD_KAFKA_MSG_F_COPY
_rdkafka = None


def _library():
    global _rdkafka
    if _rdkafka is None:
        _rdkafka = ctypes.CDLL("librdkafka.so.1")
        for name in ("conf_new", "new", "topic_new", "init_transactions", "begin_transaction", "commit_transaction"):
            getattr(_rdkafka, f"rd_kafka_{name}").restype = ctypes.c_void_p
    return _rdkafka


def _call(name, *args):
    return getattr(_library(), f"rd_kafka_{name}")(*(ctypes.c_void_p(a) if isinstance(a, int) and a > 2**31 else a for a in args))


def _producer(bootstrap, settings):
    why, conf = ctypes.create_string_buffer(512), _call("conf_new")
    for name, value in {"bootstrap.servers": bootstrap, **settings}.items():
        assert _call("conf_set", conf, name.encode(), value.encode(), why, 512) == 0, why.value
    producer = _call("new", 0, conf, why, 512)
    assert producer, why.value
    return producer


@contextlib.contextmanager
def open_transaction(bootstrap, topic, partition, key, value):
    """With one record in it; committed at the end of the block."""
    producer = _producer(bootstrap, {"transactional.id": f"other-{uuid.uuid4().hex[:8]}", "transaction.timeout.ms": "300000",
                                     "message.timeout.ms": "20000"})
    assert not _call("init_transactions", producer, 20000) and not _call("begin_transaction", producer), "no transaction"
    handle = _call("topic_new", producer, topic.encode(), None)
    key, value = key.encode(), value.encode()
    assert _call("produce", handle, partition, COPY, value, ctypes.c_size_t(len(value)), key, ctypes.c_size_t(len(key)), None) == 0
    assert _call("flush", producer, 20000) == 0, "the record is not taken"
    try:
        yield
    finally:
        assert not _call("commit_transaction", producer, 20000), "not committed"
        _call("topic_destroy", handle)
        _call("destroy", producer)
