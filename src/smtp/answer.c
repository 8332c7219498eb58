#include "smtp/answer.h"

enum smtp_reply_id smtp_answer(int error, const Pk__DeliverReply *reply, size_t targets)
{
	enum smtp_reply_id answer = SMTP_REPLY_ACCEPTED;
	size_t delivered = 0;
	bool temporary = false;

	/* A request that is refused as a whole is our mistake, not the message's. */
	if (error == E_INVALID)
		return SMTP_REPLY_TRY_LATER;
	if (error != 0)
		return smtp_reply_of_error(error);
	if (reply == NULL || reply->n_results != targets)
		return SMTP_REPLY_TRY_LATER;
	for (size_t i = 0; i < targets; i++) {
		enum smtp_reply_id one = smtp_reply_of_error(reply->results[i]->error);

		if (one == SMTP_REPLY_ACCEPTED) {
			delivered++;
			continue;
		}
		if (!temporary)
			answer = one;
		temporary = temporary || smtp_reply_temporary(one);
	}
	if (delivered > 0 && delivered < targets && !temporary)
		return SMTP_REPLY_TRY_LATER;
	return answer;
}

int smtp_answer_reason(int error, const Pk__DeliverReply *reply)
{
	if (error != 0)
		return error;
	for (size_t i = 0; reply != NULL && i < reply->n_results; i++)
		if (reply->results[i]->error != 0)
			return reply->results[i]->error;
	return E_INTERNAL; /* a reply that does not answer the question */
}
