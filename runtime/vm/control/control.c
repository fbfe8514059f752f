/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/control/control.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/control/server.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/network/cards.h"
#include "runtime/vm/network/forward.h"

struct control {
	struct loop *loop;
	struct guest *guest;
	struct growth *growth;
	struct forward *forward; /* NULL: nothing is forwarded */
	struct control_server *server;
};

static int take_card(void *data, const struct control_request *request, int *fds, size_t n_fds,
	struct control_answer *answer, struct error *err)
{
	struct control *control = data;

	return cards_attach(control->guest, &request->card, fds, n_fds, &answer->slot, err);
}

/* The first is the one: a rule can be there once. */
static int take_forward(void *data, const struct control_request *request, int *fds, size_t n_fds,
	struct control_answer *answer, struct error *err)
{
	struct control *control = data;

	(void)request;
	(void)answer;
	if (n_fds != 2)
		return error_say(err, EPROTO, "a listener and its rules are two descriptors");
	if (control->forward != NULL)
		return 0;
	int status = forward_new(
		control->loop, control->guest, fds[0], fds[1], &control->forward, err);
	if (status == 0) {
		take_fd(&fds[0]);
		take_fd(&fds[1]);
	}
	return status;
}

static int tell_size(void *data, const struct control_request *request, int *fds, size_t n_fds,
	struct control_answer *answer, struct error *err)
{
	const struct control *control = data;

	(void)request;
	(void)fds;
	(void)n_fds;
	(void)err;
	answer->size = growth_get_size(control->growth);
	return 0;
}

static int grow(void *data, const struct control_request *request, int *fds, size_t n_fds,
	struct control_answer *answer, struct error *err)
{
	struct control *control = data;
	int status = growth_change(control->growth, &request->growth, err);

	return status < 0 ? status : tell_size(data, request, fds, n_fds, answer, err);
}

static const control_function functions[CONTROL_KINDS] = {
	[CONTROL_CARD] = take_card,
	[CONTROL_FORWARD] = take_forward,
	[CONTROL_SIZE] = tell_size,
	[CONTROL_GROW] = grow,
};

int control_new(struct loop *loop, struct guest *guest, struct growth *growth, int listener,
	struct control **ret, struct error *err)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		return error_set(err, ENOMEM, "listen for requests");
	*control = (struct control){ .loop = loop, .guest = guest, .growth = growth };
	int status = control_server_new(loop, listener, functions, control, &control->server, err);
	if (status < 0) {
		free(control);
		return status;
	}
	*ret = control;
	return 0;
}

void control_free(struct control *control)
{
	if (control == NULL)
		return;
	control_server_free(control->server);
	forward_free(control->forward);
	free(control);
}
