"""discord.py against the simulated Discord, used as a bot's author would use it.

One function is one scenario; what it saw goes to stdout as a line of JSON, and sim/tests/clients.rs judges it.
Run: python discord_py.py SCENARIO SETTINGS, where SETTINGS is JSON: {"rest": "http://127.0.0.1:4000", "gateway":
"ws://127.0.0.1:4000", "token": "...", ...}. A line {"do": "stop"} on stdin ends it; {"do": "go"} lets a scenario go on
that waits for it.
"""

import asyncio
import io
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

# No server for so long, and the library takes it that all have come; 2 s unless told otherwise.
PAUSE_S = 0.5
SCENARIOS = {}
GO = asyncio.Event()


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
        super().__init__(intents=intents(SETTINGS.get("intents")), guild_ready_timeout=PAUSE_S, **options)

    async def on_error(self, event, *args, **kwargs):
        fail(sys.exc_info()[1])

    async def on_shard_ready(self, shard):
        say("shard_ready", shard=shard)

    async def on_resumed(self):
        say("resumed", shard=0)


class Commands(app_commands.CommandTree):
    async def on_error(self, interaction, error):
        fail(error)


class ShardedBot(discord.AutoShardedClient):
    """The same over several gateway shards."""

    on_error = Bot.on_error
    on_shard_ready = Bot.on_shard_ready

    def __init__(self, **options):
        super().__init__(intents=intents(), guild_ready_timeout=PAUSE_S, **options)


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
            loop.call_soon_threadsafe(GO.set)
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
    tree = Commands(client)

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
    async def on_error(self, interaction, error, item):
        fail(error)

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
        say("posted")

    on_message(client, answer)
    await run(client, just_ready)


class Menus(ui.View):
    def __init__(self):
        super().__init__(timeout=None)

    @ui.select(custom_id="colours", max_values=2, options=[discord.SelectOption(label=c) for c in ("red", "green", "blue")])
    async def colours(self, interaction, select):
        await self.chosen(interaction, select.values, [])

    @ui.select(cls=ui.UserSelect, custom_id="people")
    async def people(self, interaction, select):
        await self.chosen(interaction, [str(user.id) for user in select.values], [user.name for user in select.values])

    async def chosen(self, interaction, values, users):
        await interaction.response.edit_message(content=f"chose {' and '.join(values)}")
        say("chosen", menu=interaction.data["custom_id"], values=values, users=users)

    async def on_error(self, interaction, error, item):
        fail(error)


@scenario
async def menus():
    client = Bot()

    async def answer(message):
        await message.channel.send("choose", view=Menus())
        say("posted")

    on_message(client, answer)
    await run(client, just_ready)


class Report(ui.Modal, title="Report a problem"):
    headline = ui.TextInput(label="title", custom_id="title")
    details = ui.TextInput(label="details", custom_id="details", style=discord.TextStyle.paragraph)

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"thanks for: {self.headline.value}", ephemeral=True)
        say("submitted", modal=interaction.data["custom_id"], title=self.headline.value, details=self.details.value,
            user=str(interaction.user.id))

    async def on_error(self, interaction, error):
        fail(error)


@scenario
async def modals():
    client = Bot()
    tree = Commands(client)

    @tree.command(description="Report a problem")
    async def report(interaction: discord.Interaction):
        await interaction.response.send_modal(Report(custom_id="report"))
        say("shown")

    async def ready():
        await tree.sync()
        say("ready")

    await run(client, ready)


@scenario
async def autocomplete():
    client = Bot()
    tree = Commands(client)
    guild = discord.Object(int(SETTINGS["guild"]))

    @tree.command(description="Find a topic", guild=guild)
    @app_commands.describe(topic="about what")
    async def find(interaction: discord.Interaction, topic: str):
        pass

    @find.autocomplete("topic")
    async def complete(interaction: discord.Interaction, current: str):
        say("completed", name="topic", value=current)
        topics = (topic for topic in ("billing", "bots", "roles") if topic.startswith(current))
        return [app_commands.Choice(name=topic, value=topic) for topic in topics]

    @tree.context_menu(name="Quote", guild=guild)
    async def quote(interaction: discord.Interaction, message: discord.Message):
        await interaction.response.send_message(f"> {message.content}")
        say("quoted", message=str(message.id), author=str(message.author.id))

    async def ready():
        commands = await tree.sync(guild=guild)
        say("ready", commands=[{"name": command.name, "guild": str(command.guild_id)} for command in commands])

    await run(client, ready)


@scenario
async def files():
    """Reads the file that comes with a message and sends it back, changed."""
    client = Bot()

    async def answer(message):
        words = (await message.attachments[0].read()).decode()
        echo = discord.File(io.BytesIO(words.upper().encode()), "echo.txt", description="your words")
        sent = await message.channel.send("here", file=echo)
        file = sent.attachments[0]
        say("echoed", **describe_message(message), text=words, url=file.url, description=file.description,
            size=file.size)

    on_message(client, answer)
    await run(client, just_ready)


class Layout(ui.LayoutView):
    heading = ui.TextDisplay("# Heading")
    box = ui.Container(ui.TextDisplay("in a box"), ui.ActionRow(ui.Button(label="inside", custom_id="inside")))


@scenario
async def layout():
    client = Bot()

    async def answer(message):
        sent = await message.channel.send(view=Layout())
        say("laid_out", id=str(sent.id), kinds=[component.type.value for component in sent.components])

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def tidy():
    client = Bot()

    async def answer(message):
        channel = message.channel
        await message.add_reaction("👍")
        await message.pin()
        pinned = [str(pin.id) async for pin in channel.pins()]
        sent = [await channel.send(text) for text in ("one", "two", "three")]
        await channel.delete_messages(sent[1:])
        await message.remove_reaction("👍", client.user)
        say("tidied", pinned=pinned, gone=sorted(str(m.id) for m in sent[1:]), kept=str(sent[0].id))

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def denied():
    """Tries to write into each of the channels."""
    client = Bot()

    async def answer(_):
        for channel in channels:
            try:
                await channel.send("may I?")
                say("allowed", channel=str(channel.id))
            except discord.HTTPException as error:
                say("denied", channel=str(channel.id), **describe_error(error))

    async def ready():
        channels.extend(client.get_channel(int(id)) for id in SETTINGS["channels"])
        say("ready")

    channels = []
    on_message(client, answer)
    await run(client, ready)


@scenario
async def forum():
    client = Bot()

    async def answer(message):
        if isinstance(message.channel, discord.Thread):
            return
        forum = client.get_channel(int(SETTINGS["forum"]))
        post, _ = await forum.create_thread(name="a post", content="how it begins")
        starter = await post.fetch_message(post.id)
        await post.send("how it goes on")
        post = await post.edit(locked=True)
        say("posted", post=str(post.id), parent=str(post.parent_id), starter=str(starter.id),
            content=starter.content, locked=post.locked)

    on_message(client, answer)
    await run(client, just_ready)


@scenario
async def members():
    """Asks the gateway for all members of a server, and for those whose names begin with something."""
    client = Bot()

    async def ready():
        guild = client.get_guild(int(SETTINGS["guild"]))
        # The library asked for them by itself before it said that it was ready.
        everyone = [str(member.id) for member in guild.members]
        some = await guild.query_members(SETTINGS["query"], limit=20)
        say("ready", all=everyone, some=[member.name for member in some])

    await run(client, ready)


@scenario
async def threads():
    client = Bot()

    async def on_thread_create(thread):
        say("thread", id=str(thread.id), name=thread.name)

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
    """So many messages into each channel, as fast as the library lets them out: one after the other, or all at once."""
    client = Bot()

    async def fill(id):
        channel = await client.fetch_channel(int(id))
        numbers = map(str, range(SETTINGS["count"]))
        if SETTINGS["at_once"]:
            await asyncio.gather(*map(channel.send, numbers))
        else:
            for n in numbers:
                await channel.send(n)

    async def ready():
        say("ready")
        await GO.wait()
        await asyncio.gather(*map(fill, SETTINGS["channels"]))
        say("delivered")

    await run(client, ready)


asyncio.run(SCENARIOS[SCENARIO]())
