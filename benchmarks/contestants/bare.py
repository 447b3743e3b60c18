"""The floor: the same requests from a bare aiohttp loop, with no ledger, retries or rows."""

import asyncio

import aiohttp
import orjson

from benchmarks.contestants import IN_FLIGHT, MODEL, SAMPLING, question, run


def ask(url: str, rows: int) -> int:
    return len(asyncio.run(_ask_all(f"{url}/chat/completions", rows)))


async def _ask_all(url: str, rows: int) -> dict[int, str]:
    numbers = iter(range(rows))
    answers: dict[int, str] = {}
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def work() -> None:
            for number in numbers:
                body = {
                    "model": MODEL,
                    "messages": [{"role": "user", "content": question(number)}],
                    **SAMPLING,
                    "seed": 2**30 + number,
                    "top_k": 50,
                }
                async with session.post(url, data=orjson.dumps(body)) as response:
                    response.raise_for_status()
                    reply = orjson.loads(await response.read())
                answers[number] = reply["choices"][0]["message"]["content"]

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return answers


if __name__ == "__main__":
    run(ask)
