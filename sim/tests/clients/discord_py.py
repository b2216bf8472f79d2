"""discord.py against the simulated Discord, used as a bot's author would use it.

One function is one scenario; what it saw goes to stdout as a line of JSON, and sim/tests/clients.rs judges it.
Run: python discord_py.py SCENARIO SETTINGS, where SETTINGS is JSON: {"rest": "http://127.0.0.1:4000", "gateway":
"ws://127.0.0.1:4000", "token": "...", ...}. A line {"do": "stop"} on stdin ends it.
"""

import asyncio
import json
import logging
import sys
import threading
import traceback

import discord
import yarl
from discord import app_commands, ui

# Its warnings say what it could not make sense of.
logging.basicConfig(level=logging.WARNING)
SCENARIO, SETTINGS = sys.argv[1], json.loads(sys.argv[2])
# The library has no option for another server, but its addresses stand in two class variables.
discord.http.Route.BASE = SETTINGS["rest"] + "/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(SETTINGS["gateway"])

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def fail(error):
    say("error", **describe_error(error))
    traceback.print_exception(error)


def intents(value=None):
    if value is not None:
        chosen = discord.Intents.none()
        chosen.value = value
        return chosen
    chosen = discord.Intents.default()
    chosen.members = chosen.message_content = True
    return chosen


class Bot(discord.Client):
    """A client that reports what goes wrong in it."""

    def __init__(self, **options):
        super().__init__(**{"intents": intents(SETTINGS.get("intents")), "chunk_guilds_at_startup": False, **options})

    async def on_error(self, event, *args, **kwargs):
        fail(sys.exc_info()[1])

    async def on_shard_ready(self, shard):
        say("shard_ready", shard=shard)

    async def on_resumed(self):
        say("resumed", shard=0)


class ShardedBot(discord.AutoShardedClient):
    """The same over several gateway shards."""

    on_error = Bot.on_error
    on_shard_ready = Bot.on_shard_ready

    def __init__(self, **options):
        super().__init__(intents=intents(), chunk_guilds_at_startup=False, **options)


def text(value):
    return None if value is None else str(value)


def describe_guild(guild):
    return {
        "id": str(guild.id), "name": guild.name, "owner": text(guild.owner_id), "available": not guild.unavailable,
        "count": guild.member_count, "shard": guild.shard_id, "me": text(guild.me and guild.me.id),
        "channels": [{"id": str(c.id), "name": c.name, "type": c.type.value} for c in guild.channels],
        "roles": [{"id": str(role.id), "name": role.name} for role in guild.roles],
        "members": [
            {"id": str(m.id), "name": m.name, "roles": [str(r.id) for r in m.roles if not r.is_default()]}
            for m in guild.members
        ],
    }


def describe_message(message):
    return {
        "id": str(message.id), "channel": str(message.channel.id), "guild": text(message.guild and message.guild.id),
        "content": message.content, "author": str(message.author.id), "bot": message.author.bot,
        "mentions": [str(user.id) for user in message.mentions],
        "roles": [str(role.id) for role in message.role_mentions],
        "reference": text(message.reference and message.reference.message_id),
        "edited": message.edited_at is not None,
        "member": text(message.author.id if isinstance(message.author, discord.Member) else None),
        "attachments": [{"name": f.filename, "size": f.size, "type": f.content_type} for f in message.attachments],
    }


def describe_error(error):
    return {
        "class": type(error).__name__, "code": getattr(error, "code", None),
        "status": getattr(error, "status", None), "message": str(error),
    }


def on_message(client, act):
    """Every message but the bot's own."""

    async def on_message(message):
        if message.author.id != client.user.id:
            await act(message)

    client.event(on_message)


async def run(client, ready=None, token=None):
    """Runs a client until told to stop; `ready` is what it does when it has connected."""
    if ready:
        done = False

        async def on_ready():
            nonlocal done
            if not done:
                done = True
                await ready()

        client.event(on_ready)
    loop = asyncio.get_running_loop()

    def read():
        for line in sys.stdin:
            if json.loads(line)["do"] == "stop":
                break
        loop.call_soon_threadsafe(lambda: loop.create_task(client.close()))

    threading.Thread(target=read, daemon=True).start()
    async with client:
        await client.start(token or SETTINGS["token"])


async def just_ready():
    say("ready")


@scenario
async def ready():
    client = Bot()

    async def ready():
        say("ready", user=str(client.user.id), name=client.user.name, application=str(client.application_id),
            guilds=[describe_guild(guild) for guild in client.guilds])

    await run(client, ready)


@scenario
async def listen():
    """Says what arrives; used wherever only receiving counts."""
    client = Bot()

    async def on_raw_message_edit(payload):
        say("edited", id=str(payload.message_id), content=payload.data.get("content"))

    async def on_raw_message_delete(payload):
        say("deleted", id=str(payload.message_id))

    async def on_raw_reaction_add(payload):
        say("reacted", id=str(payload.message_id), user=str(payload.user_id), emoji=payload.emoji.name)

    async def on_guild_unavailable(guild):
        say("guild_unavailable", id=str(guild.id))

    async def on_guild_available(guild):
        say("guild_available", id=str(guild.id))

    async def on_guild_remove(guild):
        say("guild_removed", id=str(guild.id))

    async def on_guild_join(guild):
        say("guild_added", id=str(guild.id))

    for handler in (on_raw_message_edit, on_raw_message_delete, on_raw_reaction_add, on_guild_unavailable,
                    on_guild_available, on_guild_remove, on_guild_join):
        client.event(handler)

    async def message(message):
        say("message", **describe_message(message))

    async def ready():
        say("ready", user=str(client.user.id))

    on_message(client, message)
    await run(client, ready)


@scenario
async def write():
    """Answers a message with everything one can do to a message."""
    client = Bot()

    async def answer(message):
        await message.channel.typing()
        sent = await message.channel.send("first words")
        reply = await message.reply(f"hello <@{message.author.id}>", mention_author=False,
                                    allowed_mentions=discord.AllowedMentions.none())
        await sent.edit(content="better words")
        fetched = await message.channel.fetch_message(sent.id)
        before = [m async for m in message.channel.history(before=reply, limit=2)]
        await reply.delete()
        say("wrote", sent=str(sent.id), reply=str(reply.id), fetched=describe_message(fetched),
            before=[str(m.id) for m in before])

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def embeds():
    client = Bot()

    async def answer(message):
        embed = discord.Embed(title="A title", description="Some text", color=0x3366FF)
        embed.add_field(name="field", value="its value", inline=True).set_footer(text="small print")
        sent = await message.channel.send("see below", embed=embed)
        seen = (await message.channel.fetch_message(sent.id)).embeds[0]
        say("embedded", id=str(sent.id), title=seen.title, description=seen.description, color=seen.color.value,
            fields=[{"name": f.name, "value": f.value, "inline": f.inline} for f in seen.fields],
            footer=seen.footer.text)

    on_message(client, answer)
    await run(client, just_ready)


def say_answered(interaction, question):
    say("answered", question=question, user=str(interaction.user.id), guild=text(interaction.guild_id),
        channel=text(interaction.channel_id))


@scenario
async def commands():
    client = Bot()
    tree = app_commands.CommandTree(client)

    @tree.command(description="Ask a question")
    @app_commands.describe(question="what to ask")
    async def ask(interaction: discord.Interaction, question: str):
        if question == "slowly":
            await interaction.response.defer()
            await interaction.edit_original_response(content="thought about it")
            await interaction.followup.send("one more thing")
        else:
            await interaction.response.send_message("between us", ephemeral=True)
        say_answered(interaction, question)

    async def ready():
        commands = await tree.sync()
        say("ready", commands=[{"id": str(command.id), "name": command.name} for command in commands])

    await run(client, ready)


class Buttons(ui.View):
    def __init__(self, *names):
        super().__init__(timeout=None)
        for name in names:
            button = ui.Button(label=name, custom_id=name, style=discord.ButtonStyle.primary)
            button.callback = getattr(self, name)
            self.add_item(button)

    async def now(self, interaction):
        await interaction.response.edit_message(content="pressed now", view=Buttons("later"))
        self.pressed(interaction)

    async def later(self, interaction):
        await interaction.response.defer()
        await interaction.edit_original_response(content="pressed later", view=None)
        self.pressed(interaction)

    def pressed(self, interaction):
        say("pressed", button=interaction.data["custom_id"], user=str(interaction.user.id),
            message=str(interaction.message.id))


@scenario
async def buttons():
    client = Bot()

    async def answer(message):
        await message.channel.send("press one", view=Buttons("now", "later"))

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def threads():
    client = Bot()

    async def on_thread_create(thread):
        say("thread", id=str(thread.id), name=thread.name, new=True)

    client.event(on_thread_create)

    async def answer(message):
        if isinstance(message.channel, discord.Thread):
            return
        thread = await message.create_thread(name="about it", auto_archive_duration=60)
        inside = await thread.send("inside")
        thread = await thread.edit(name="about it, renamed")
        thread = await thread.edit(archived=True)
        say("threaded", thread=str(thread.id), parent=str(thread.parent_id), inside=str(inside.id),
            archived=thread.archived, name=thread.name)

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def direct():
    client = Bot()

    async def answer(message):
        if message.guild:
            sent = await message.author.send("this is private")
            say("sent", id=str(sent.id), channel=str(sent.channel.id))
        else:
            await message.channel.send(f"you said: {message.content}")
            say("message", **describe_message(message))

    on_message(client, answer)
    await run(client, just_ready)


async def refusal(client, token=None):
    try:
        await run(client, just_ready, token)
        say("accepted")
    except discord.DiscordException as error:
        say("refused", **describe_error(error))


@scenario
async def refused_token():
    await refusal(Bot(), "MTA0NTg4ODk5NjM1NTQ4NTY5Ng.not.the-token")


@scenario
async def refused_intents():
    await refusal(Bot())


@scenario
async def shards():
    """Several gateway shards in one client."""
    client = ShardedBot(shard_count=SETTINGS.get("shards"))

    async def message(message):
        say("message", **describe_message(message), shard=message.guild.shard_id if message.guild else 0)

    async def ready():
        say("ready", shards=len(client.shards), guilds=[{"id": str(g.id), "shard": g.shard_id} for g in client.guilds])

    on_message(client, message)
    await run(client, ready)


@scenario
async def burst():
    """So many messages into each channel, as fast as the library lets them out."""
    client = Bot()

    async def fill(id):
        channel = await client.fetch_channel(int(id))
        for n in range(SETTINGS["count"]):
            await channel.send(str(n))

    async def ready():
        say("ready")
        await asyncio.gather(*map(fill, SETTINGS["channels"]))
        say("delivered")

    await run(client, ready)


asyncio.run(SCENARIOS[SCENARIO]())
