"""A session with PostgreSQL that stays open: libpq, called directly, for a thousand small transactions a second would be
too many processes with psql."""
import ctypes, ctypes.util

_pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
_text, _handle, _int = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int
for _name, _answer, _arguments in [
        ("PQconnectdb", _handle, [_text]), ("PQstatus", _int, [_handle]), ("PQfinish", None, [_handle]),
        ("PQerrorMessage", _text, [_handle]), ("PQexec", _handle, [_handle, _text]), ("PQresultStatus", _int, [_handle]),
        ("PQresultErrorField", _text, [_handle, _int]), ("PQresultErrorMessage", _text, [_handle]), ("PQntuples", _int, [_handle]),
        ("PQnfields", _int, [_handle]), ("PQgetvalue", _text, [_handle, _int, _int]), ("PQclear", None, [_handle]),
        ("PQputCopyData", _int, [_handle, _text, _int]), ("PQputCopyEnd", _int, [_handle, _text]), ("PQgetResult", _handle, [_handle]),
        ("PQbackendPID", _int, [_handle])]:
    getattr(_pq, _name).restype, getattr(_pq, _name).argtypes = _answer, _arguments

OK, SQLSTATE, COMMAND_OK, TUPLES_OK, COPY_IN = 0, ord("C"), 1, 2, 4


class Failed(Exception):
    """`state` is the SQLSTATE, empty when the connection is lost: whether a COMMIT took place is then not known."""

    def __init__(self, state, text):
        super().__init__(f"{state}: {text}")
        self.state = state


class Session:
    def __init__(self, conninfo):
        self.conn = _pq.PQconnectdb(f"{conninfo} connect_timeout=5 options='-c client_min_messages=error'".encode())
        if _pq.PQstatus(self.conn) != OK:
            text = _pq.PQerrorMessage(self.conn).decode(errors="replace").strip()
            self.close()
            raise Failed("", text)

    def __call__(self, sql, copied=b""):
        """Runs a script of one or more statements; the rows of the last as lists of texts. `copied` is what its COPY reads."""
        result = _pq.PQexec(self.conn, sql.encode())
        if result and _pq.PQresultStatus(result) == COPY_IN:
            _pq.PQclear(result)
            result = self._copy(copied)
        return self._rows(result)

    def _copy(self, data):
        _pq.PQputCopyData(self.conn, data, len(data))
        _pq.PQputCopyEnd(self.conn, None)
        last = None
        while True:
            result = _pq.PQgetResult(self.conn)
            if not result:
                return last
            if last and _pq.PQresultStatus(last) not in (COMMAND_OK, TUPLES_OK):
                _pq.PQclear(result)
                continue
            if last:
                _pq.PQclear(last)
            last = result

    def _rows(self, result):
        try:
            status = _pq.PQresultStatus(result) if result else None
            if status == TUPLES_OK:
                return [[_pq.PQgetvalue(result, r, c).decode() for c in range(_pq.PQnfields(result))]
                        for r in range(_pq.PQntuples(result))]
            if status == COMMAND_OK:
                return []
            state = _pq.PQresultErrorField(result, SQLSTATE) if result and _pq.PQstatus(self.conn) == OK else None
            raise Failed((state or b"").decode(), _pq.PQerrorMessage(self.conn).decode(errors="replace").strip())
        finally:
            if result:
                _pq.PQclear(result)

    @property
    def pid(self):
        return _pq.PQbackendPID(self.conn)

    def close(self):
        _pq.PQfinish(self.conn)
        self.conn = None
