select helpline.forget_left_servers($1, $2) as "forgotten!"
