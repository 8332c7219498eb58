#include "front/client.h"

#include "front/front.h"

/* Oldest first: whoever keeps the places of those who have not logged in loses them again. */
static struct front_client *stranger_to_end(const struct front *front)
{
	struct front_client *client;
	TAILQ_FOREACH (client, &front->strangers, stranger)
		if (front->kind->is_idle(client))
			return client;
	return TAILQ_FIRST(&front->strangers); /* all of them are being checked, or told to wait */
}

static void add_stranger(struct front *front, struct front_client *client)
{
	if (front->strangers_max == 0)
		return;
	if (front->stranger_count >= front->strangers_max)
		front->kind->evict(stranger_to_end(front));
	client->is_stranger = true;
	front->stranger_count++;
	TAILQ_INSERT_TAIL(&front->strangers, client, stranger);
}

void front_client_known(struct front_client *client)
{
	if (!client->is_stranger)
		return;
	client->is_stranger = false;
	client->front->stranger_count--;
	TAILQ_REMOVE(&client->front->strangers, client, stranger);
}

void front_client_start(struct front *front, struct front_client *client, int fd,
                        const struct listener_peer *peer, bool tls,
                        const struct conn_handlers *handlers)
{
	const struct conn_options options = {.tls = tls ? front->role->tls : NULL};
	client->front = front;
	client->peer = *peer;
	TAILQ_INSERT_TAIL(&front->clients, client, entry);
	add_stranger(front, client);
	client->conn = conn_new(front->role->loop, fd, &options, handlers, client);
}

static void leave(struct front_client *client)
{
	struct front *front = client->front;
	client->conn = NULL;
	front_client_known(client);
	TAILQ_REMOVE(&front->clients, client, entry);
	TAILQ_INSERT_TAIL(&front->gone, client, entry);
	front->kind->leave(client);
}

static void forget(struct front_client *client)
{
	struct front *front = client->front;
	TAILQ_REMOVE(&front->gone, client, entry);
	listener_release(front->listener, &client->peer);
	front->kind->forget(client);
}

static void forget_gone(void *ctx)
{
	struct front *front = ctx;
	while (!TAILQ_EMPTY(&front->gone))
		forget(TAILQ_FIRST(&front->gone));
	front_settle(front);
}

void front_clients_init(struct front *front)
{
	front->forget_gone = (struct loop_task){.run = forget_gone, .ctx = front};
	TAILQ_INIT(&front->clients);
	TAILQ_INIT(&front->gone);
	TAILQ_INIT(&front->strangers);
}

void front_client_end(struct front_client *client, bool at_once)
{
	struct front *front = client->front;
	if (client->conn == NULL)
		return;
	if (at_once)
		conn_free(client->conn);
	else
		conn_close(client->conn);
	leave(client);
	loop_later(front->role->loop, &front->forget_gone);
}

void front_clients_free(struct front *front)
{
	loop_later_cancel(&front->forget_gone);
	while (!TAILQ_EMPTY(&front->clients)) {
		conn_free(TAILQ_FIRST(&front->clients)->conn);
		leave(TAILQ_FIRST(&front->clients));
	}
	while (!TAILQ_EMPTY(&front->gone))
		forget(TAILQ_FIRST(&front->gone));
}
