button-human = 担当者に聞く
button-helpful = 役に立った
button-unhelpful = 役に立たなかった
button-close = 閉じる
button-part = { $number } / { $of }

answer-sources = 出典:
answer-late = お待たせしました。
answer-unsure = このサーバーの資料には答えが見つかりませんでした。別の言い方で質問するか、下のボタンで担当者に聞いてみてください。
answer-handed-over = これは担当者がお答えする内容です。サポートチームに知らせましたので、ここで返事をお待ちください。
thread-name = 質問

human-asked = 担当者に知らせました。ここで返事をお待ちください。
human-asked-already = 担当者にはもう知らせてあります。ここで返事をお待ちください。
vote-gone = その回答はもうここにはありません。
vote-not-yours = 役に立ったかどうかを選べるのは、質問した人だけです。
vote-thanks = ありがとうございます。お役に立ててよかったです。
vote-sorry = 教えてくれてありがとうございます。まだお困りなら「{ button-human }」を押してください。
close-not-yours = この会話を閉じられるのは、質問した人だけです。
close-done = この会話を閉じました。ほかにもあれば、ここでまた質問してください。
close-already = この会話はもう閉じています。ほかにもあれば、ここでまた質問してください。
close-human = 担当者に知らせてあります。解決したら担当者がこの会話を閉じます。
conversation-gone = その会話はもうここにはありません。

ask-in-channel = サーバーのチャンネルで質問してください。
support-off = このサーバーではサポートがオフになっています。サーバーの管理者がオンにできます。
unknown-command = そのコマンドは分かりません。`/ask` を試してください。
need-permission = `/{ $command }` を使うには **{ $permission }** の権限が必要です。
hint = このサーバーについて質問してください。資料から探します。
away = すみません、質問されたときは席を外していました。まだお困りなら、もう一度質問してください。
limit-many = 1時間に{ $limit }件質問しました。このサーバーではこれが上限です。{ $again }にまた質問できます。
limit-long = 質問は{ $length }文字ですが、このサーバーでは{ $limit }文字までです。もう少し短くしてください。

context-ask = Helplineに聞く
about-bot = それはボットが書いたものです。ほかの人のメッセージを選んでください。
about-no-words = そのメッセージには、お答えできる言葉がありません。
about-here = { $channel } でお答えします。
about-answered = もう { $channel } でお答えしています。

describe-privacy = このサーバーが保存しているあなたの情報の確認と削除
describe-privacy-export = すべてをあなただけに見えるファイルで受け取る
describe-privacy-delete = すべて削除する
privacy-file = このサーバーが保存しているあなたの情報のすべてです。私との会話と、あなたの評価が入っています。
privacy-sure = このサーバーで私に言ったことと評価をすべて削除します。元に戻せません。よければボタンを押してください。
button-forget = すべて削除
privacy-forgotten = { $conversations }件の会話でのあなたの発言と、{ $votes }件の評価を削除しました。質問の数だけの記録は残ります。Discord上のメッセージはご自分で削除できます。
privacy-nothing = 削除できるあなたの情報は、もう残っていません。
