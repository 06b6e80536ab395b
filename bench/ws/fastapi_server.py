"""fastapi_server.py CLIENTS RATE: FastAPI on uvicorn, which sends each message of 200 bytes to all. RATE 0: as fast as it can.

Says its port; begins once CLIENTS have said something.
"""
import asyncio, os, socket, sys, threading, time

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

CLIENTS, RATE = map(int, sys.argv[1:])
app, readers = FastAPI(), []
started = asyncio.Event()


def message(n, at):
    head = f'{{"type":"change","n":{n % 1000:03},"at":"{at}","note":"'
    return head + "x" * (200 - len(head) - 2) + '"}'


async def send(ws, text):
    try:
        await ws.send_text(text)
    except (RuntimeError, WebSocketDisconnect):
        if ws in readers:
            readers.remove(ws)


async def broadcast():
    await started.wait()
    start, n = time.monotonic_ns(), 0
    while True:
        due = start + n * 1_000_000_000 // RATE if RATE else time.monotonic_ns()
        await asyncio.sleep(max(0, (due - time.monotonic_ns()) / 1e9))
        n += 1
        text = message(n, due)
        await asyncio.gather(*(send(ws, text) for ws in readers))


@app.websocket("/ws")
async def reader(ws: WebSocket):
    await ws.accept()
    await ws.receive_text()
    readers.append(ws)
    if len(readers) == CLIENTS:
        started.set()
        app.state.task = asyncio.create_task(broadcast())
    try:
        while True:
            await ws.receive_text()
    except WebSocketDisconnect:
        pass


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print("port", listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)).run(sockets=[listener])
