/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/socket.h"

/*
 * Everything but the state, whose text is put behind as it is. *ret is given back by free().
 */
static int make_message(const struct oci_seccomp *profile, const char *state, pid_t pid, char **ret,
	size_t *ret_length, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *head;
	size_t length;

	int status = json_writer_open(&writer, false, err);
	if (status < 0)
		return status;
	json_write_object(&writer);
	json_write_string_member(&writer, "ociVersion", OCI_VERSION);
	json_write_array_member(&writer, "fds");
	json_write_string(&writer, "seccompFd");
	json_write_end(&writer);
	json_write_int_member(&writer, "pid", pid);
	if (profile->listener_metadata != NULL)
		json_write_string_member(&writer, "metadata", profile->listener_metadata);
	json_write_end(&writer);
	status = json_writer_text(&writer, &head, &length, err);
	if (status < 0)
		return status;

	int size = asprintf(ret, "%.*s,\"state\":%s}", (int)(length - 1), head, state);
	if (size < 0)
		return error_set(err, ENOMEM, "make the container process state");
	*ret_length = (size_t)size;
	return 0;
}

int seccomp_notify_send(const struct oci_seccomp *profile, const char *state, pid_t pid,
	int listener, struct error *err)
{
	_cleanup_free_ char *message = NULL;
	size_t length = 0;

	_cleanup_close_ int agent = socket_connect_at(
		AT_FDCWD, profile->listener_path, SOCK_STREAM, err);
	if (agent < 0)
		return error_prefix(err, "linux.seccomp.listenerPath");
	int status = make_message(profile, state, pid, &message, &length, err);
	if (status < 0)
		return status;
	if (socket_send_fds(agent, message, length, &listener, 1, err) < 0)
		return error_prefix(err, "linux.seccomp.listenerPath: hand the listener to %s",
			profile->listener_path);
	return 0;
}
