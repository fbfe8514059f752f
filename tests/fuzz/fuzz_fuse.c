/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of any shape to the FUSE server, over a small tmpfs in a mount namespace of its own.
 * Node and handle numbers are those that the server gave, or the fuzzer's. Needs root.
 */
#include <fcntl.h>
#include <ftw.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/vm/virtio/fs/fuse_server.h"

#define ROOT "/tmp/caisson-fuzz-fuse"
#define INSIDE ROOT "/export"
#define KNOWN 16
#define ANSWER 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuse_server *server;
static struct fuse_thread *thread;
static uint64_t nodes[KNOWN], handles[KNOWN];
static unsigned int node_count, handle_count;
static char answer[ANSWER];

static void require(int promise)
{
	if (!promise)
		abort();
}

static void fresh_files(void)
{
	static unsigned int runs;

	if (runs++ % 64 != 0)
		return;
	umount2(INSIDE, MNT_DETACH);
	require(mount("fuzz", INSIDE, "tmpfs", 0, "size=4m,nr_inodes=300") == 0);
}

static void set_up(void)
{
	struct fuse_server_options options = { .proc_self_fd = -1, .fds_max = 64, .nodes_max = 64 };
	/* A request may ask for files of any size; tmpfs says no, a limit says it sooner. */
	struct rlimit limit = { 64 << 20, 64 << 20 };

	require(unshare(CLONE_NEWNS) == 0);
	require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	mkdir(ROOT, 0700);
	require(mount("fuzz", ROOT, "tmpfs", 0, "size=1m") == 0);
	mkdir(INSIDE, 0755);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	require(fuse_server_new(&options, &server, NULL) == 0);
	require(fuse_thread_new(server, &thread, NULL) == 0);
}

static void remember(uint64_t *table, unsigned int *count, uint64_t value)
{
	table[(*count)++ % KNOWN] = value;
}

static size_t request(struct fuse_in_header *header, const void *arguments, size_t length)
{
	struct fuse_out_header out;
	struct iovec in[] = { { header, sizeof(*header) }, { (void *)arguments, length } };
	struct iovec reply[] = { { answer, 100 }, { answer + 100, ANSWER - 100 } };
	size_t n;

	n = fuse_server_handle(thread, in, 2, reply, 2);
	require(n <= ANSWER);
	if (n == 0)
		return 0;
	require(n >= sizeof(out));
	memcpy(&out, answer, sizeof(out));
	require(out.len == n && out.unique == header->unique);
	require(out.error <= 0 && out.error > -4096);
	return out.error == 0 ? n - sizeof(out) : 0;
}

static void learn(uint32_t opcode, size_t length)
{
	const char *payload = answer + sizeof(struct fuse_out_header);
	struct fuse_entry_out entry;
	struct fuse_open_out open_out;
	size_t at = 0;

	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		if (length < sizeof(entry))
			return;
		memcpy(&entry, payload, sizeof(entry));
		remember(nodes, &node_count, entry.nodeid);
		at = sizeof(entry);
		if (opcode != FUSE_CREATE && opcode != FUSE_TMPFILE)
			return;
		/* fallthrough */
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (length < at + sizeof(open_out))
			return;
		memcpy(&open_out, payload + at, sizeof(open_out));
		remember(handles, &handle_count, open_out.fh);
	}
}

/* One request: opcode, what to name, then its arguments. Returns the bytes used. */
static size_t one(const uint8_t *data, size_t size)
{
	static char arguments[512];
	struct fuse_in_header header = { .unique = 7 };
	size_t length = size > 4 ? data[3] : 0;
	uint16_t extensions;

	if (size < 4)
		return size;
	if (length > size - 4)
		length = size - 4;
	memcpy(arguments, data + 4, length);
	header.opcode = data[0] % 56;
	header.nodeid = data[1] & 0x40 ? data[1] : nodes[data[1] % KNOWN];
	header.uid = data[2] & 1 ? 1000 : 0;
	header.gid = data[2] & 2 ? 1000 : 0;
	/* The length of extensions; headers before 7.38 do not name its place. */
	extensions = data[2] & 4 ? data[2] >> 4 : 0;
	memcpy((char *)&header + 36, &extensions, sizeof(extensions));
	header.len = (uint32_t)(sizeof(header) + length + (data[2] & 8 ? data[2] : 0));
	if (!(data[1] & 0x80) && length >= 8)
		memcpy(arguments, &handles[data[1] / KNOWN % KNOWN], 8);
	if ((header.opcode == FUSE_LINK || header.opcode == FUSE_RENAME2) && length >= 8)
		memcpy(arguments, &nodes[data[2] % KNOWN], 8);
	learn(header.opcode, request(&header, arguments, length));
	return 4 + length;
}

static void run(const uint8_t *data, size_t size)
{
	struct fuse_init_in init = { .major = 7, .minor = 38, .flags = 0xffffffff };
	struct fuse_in_header header = { .len = sizeof(header) + sizeof(init),
		.opcode = FUSE_INIT };
	struct fuse_export_options options = { .read_only = size & 1 };
	struct fuse_in_header lookup = {
		.len = sizeof(lookup) + 2, .opcode = FUSE_LOOKUP, .nodeid = FUSE_ROOT_ID
	};
	struct fuse_server_usage usage;
	struct stat st;

	if (server == NULL)
		set_up();
	fresh_files();
	fuse_server_remove_export(server, "e", NULL);
	require(fuse_server_add_export(
			server, "e", open(INSIDE, O_PATH | O_CLOEXEC), &options, NULL) == 0);
	node_count = handle_count = 0;
	for (unsigned int i = 0; i < KNOWN; i++)
		nodes[i] = handles[i] = i;
	request(&header, &init, sizeof(init));
	learn(FUSE_LOOKUP, request(&lookup, "e", 2));
	while (size > 0) {
		size_t used = one(data, size);

		data += used;
		size -= used;
	}
	usage = fuse_server_usage(server);
	require(usage.nodes <= 64 && usage.fds <= 70);
	fuse_server_reset(server);
	usage = fuse_server_usage(server);
	require(usage.nodes == 0 && usage.fds == 0 && usage.handles == 0);
	/* Nothing beside the export came to be. */
	require(stat(ROOT, &st) == 0 && st.st_nlink == 3);
}

static struct {
	const uint8_t *data;
	size_t size;
	sem_t come, done;
} job;

/* The fuzzer's own signals interrupt it. */
static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		;
}

/* A thread of its own, since it gets another working directory and other mounts. */
static void *serve(void *unused)
{
	for (;;) {
		wait_for(&job.come);
		run(job.data, job.size);
		sem_post(&job.done);
	}
	return unused;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static pthread_t thread_id;

	if (thread_id == 0) {
		sem_init(&job.come, 0, 0);
		sem_init(&job.done, 0, 0);
		require(pthread_create(&thread_id, NULL, serve, NULL) == 0);
	}
	job.data = data;
	job.size = size;
	sem_post(&job.come);
	wait_for(&job.done);
	return 0;
}
