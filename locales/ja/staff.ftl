## Commands
describe-reply = スタッフ用：用意しておく文章を私が代わりに言います
describe-reply-name = どの返信か
describe-reply-use = 会話のスレッドで、あなたの名前を添えて言う
describe-reply-add = 新しい返信を用意する
describe-reply-list = 用意してあるすべての返信
describe-reply-remove = 返信を取り除く
describe-setup = このサーバーのサポートを順を追って設定する
describe-stats = スタッフ用：直近7日・30日・90日の質問、回答、チケット
choice-auto-close = auto_close_hours：会話を閉じるまでの沈黙
choice-close-warning = close_warning_hours：どれだけ前に知らせるか
choice-auto-resolve = ticket_auto_resolve_hours：チケットが解決となるまでの沈黙

## Settings
expects-hours = 8760以下の整数（時間）。0は「しない」
meaning-never-closed = 質問した人が閉じるまで会話は開いたままです。
meaning-auto-close = 質問した人が { $count } 時間書き込まないと、予告のあとで会話を閉じます。また書き込めば続きます。
meaning-close-warning = 閉じる { $count } 時間前、または半分の時点で知らせます。
meaning-never-resolved = スタッフが解決するまでチケットは開いたままです。
meaning-auto-resolve = スタッフが書いたあと質問した人が { $count } 時間書き込まないと、予告のあとでチケットを解決とします。

## When nobody writes any more
silence-warning = { $user } 解決しましたか？ここに書き込みがなければ、{ $when }にこの会話を閉じます。
silence-closed = しばらく書き込みがなかったので、この会話を閉じました。ここに書き込めば続きます。
silence-notes = 自動的に解決：質問した人の書き込みがありませんでした。
button-still-open = まだ助けが必要
button-solved = 解決しました

## What staff are shown and let me say
button-suggest = 回答案を出す
button-transcript = 記録
button-send = 送信
spoken-done = ここで伝えました。
spoken-from = { $user } より
suggest-head = **私ならこう答えます。** 見えるのはあなただけです。「{ button-send }」を押すと、あなたの名前を添えて会話で伝えます。
suggest-nothing = 文書の中に答えが見つかりません。`/reply use` で用意した返信を使えます。
suggest-unasked = ここではまだ誰も質問していません。
suggest-gone = その案はすでに送信されたか、新しい案があります。何も伝えていません。
transcript-files = 会話のファイルです。見えるのはあなただけです。

## /reply
title-new-reply = 用意しておく返信
label-reply-name = スタッフが探すときの名前
label-reply-text = 文章。@member は質問した人になります
reply-unknown-subcommand = それは分かりません。`/reply list` を試してください。
reply-no-thread = 会話のスレッドで使ってください。そこで質問した人に伝えます。何も伝えていません。
reply-too-many = このサーバーにはすでに上限の { $count } 件の返信があります。`/reply remove` で空きを作れます。何も保存していません。
reply-no-name = 返信には、読めて入力できる名前が必要です。何も保存していません。
reply-no-text = 返信には、読める文章が必要です。何も保存していません。
reply-name-long = 名前は { $count } 文字までです。何も保存していません。
reply-text-long = 返信は { $count } 文字までです。何も保存していません。
reply-unknown = 返信 { $name } はありません。`/reply list` ですべて見られます。
reply-stored = { $name } を用意しました。`/reply use` で会話のスレッドに伝えます。
reply-changed = { $name } を変更しました。`/reply use` で会話のスレッドに伝えます。
reply-removed = { $name } を取り除きました。内容：
reply-none = 用意した返信はありません。`/reply add` で用意できます。
reply-kept = 用意した返信は { $count } 件です。
reply-more = ほかに { $count } 件。

## /stats
stats-none = 直近90日間に質問はありません。質問があれば、ここに数字が出ます。
stats-days = 日間
stats-questions = 質問
stats-resolved = 解決
stats-confirmed = 確認済み
stats-assumed = 推定
stats-forwarded = スタッフへ
stats-time = 回答まで
stats-note = 確認済み：質問した人かスタッフがそう伝えたもの。推定：回答のあと書き込みがなかったもの。日付はUTCです。

## /setup
setup-title = **サポートの設定** · 選ぶとすぐに保存されます
setup-done = **サポートの設定は次のとおりです：**
setup-channels = すべての質問に答える場所：{ $channels }
setup-role = 呼ぶ人：{ $role }
setup-language = 言語：{ $language }
setup-knowledge = 知っていること：{ $documents }
setup-documents = 文書 { $count } 件
setup-none-yet = まだありません
setup-is-on = サポートは**オン**です
setup-is-off = サポートは**オフ**です
setup-next = 次：{ $step }
setup-next-knowledge = 答えのもとになる文書をください：`/knowledge add`
setup-next-on = ここか `/setup` で **{ button-on }** を押してください。
setup-next-role = 呼ぶ人を選んでください。
setup-next-ask = { $channel } で何か質問してみてください。`/config show` ですべての設定を見られます。
setup-next-ask-anywhere = `/ask` で質問するか、すべてに答えるチャンネルを選んでください。
setup-channels-fine = ✅ そこで必要なことはすべてできます。
setup-lacks = ⚠️ { $channel } は保存していません。そこで { $permissions } がありません。チャンネル設定の*権限*で私のロールに与えて、もう一度選んでください。
setup-not-seen = { $channel } を保存しました。そこで何ができるかは確認できませんでした。
setup-role-called = ✅ { $role } を呼びます。
setup-nobody-called = ✅ 誰も呼びません。
setup-language-stored = ✅ 言語を保存しました。
placeholder-setup-channels = 1. すべての質問に答えるチャンネル
placeholder-setup-role = 2. メンバーが人を求めたときに呼ぶロール
placeholder-setup-language = 3. 文書と回答の言語
button-on = サポートをオンにする
button-off = サポートをオフにする
button-done = 完了
button-reset = すべて初期値に戻す

## A config that cannot be read
report-daily = 直るまで、1日に1回お知らせします。
