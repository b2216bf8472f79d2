select question_id as "question!", helpful as "helpful!", voted_at as "voted_at!"
from helpline.feedback
where server_id = $1 and user_id = $2
order by question_id
