/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/file.h"

/* io.stat has a line of about 100 bytes per device. */
#define STAT_MOST ((size_t)1 << 20)

/* More page sizes than any architecture has. */
#define PAGE_SIZES_MOST 16

void cgroup_stats_free(struct cgroup_stats *stats)
{
	arena_free(&stats->arena);
	*stats = (struct cgroup_stats){ 0 };
}

/* 0 also for what is not there: a controller, or a kernel that has no such file. */
static int absent_is_fine(ssize_t status)
{
	return status == -ENOENT || status == -EOPNOTSUPP ? 0 : (int)status;
}

static int read_pressure(int fd, const char *name, struct cgroup_pressure *ret)
{
	char text[512];
	ssize_t n = cgroup_file_read(fd, name, text, sizeof(text));

	if (n > 0)
		cgroup_stats_parse_pressure(text, ret);
	return n < 0 ? absent_is_fine(n) : 0;
}

static int read_cpu(int fd, struct cgroup_stats *stats)
{
	char text[CGROUP_FILE_SMALL];
	ssize_t n = cgroup_file_read(fd, "cpu.stat", text, sizeof(text));

	if (n < 0)
		return absent_is_fine(n);
	cgroup_stats_parse_cpu(text, stats);
	return read_pressure(fd, "cpu.pressure", &stats->cpu.pressure);
}

static int read_swap(int fd, struct cgroup_stats *stats)
{
	int status = cgroup_file_read_number(fd, "memory.swap.current", &stats->memory.swap_usage);

	if (status < 0)
		return absent_is_fine(status);
	stats->memory.swap_set = true;
	cgroup_file_read_number(fd, "memory.swap.max", &stats->memory.swap_limit);
	cgroup_file_read_number(fd, "memory.swap.peak", &stats->memory.swap_peak);
	return 0;
}

static int read_memory(int fd, struct cgroup_stats *stats)
{
	_cleanup_free_ char *text = NULL;
	int status = cgroup_file_read_number(fd, "memory.current", &stats->memory.usage);
	ssize_t n;

	if (status < 0)
		return absent_is_fine(status);
	stats->memory.set = true;
	cgroup_file_read_number(fd, "memory.max", &stats->memory.limit);
	cgroup_file_read_number(fd, "memory.peak", &stats->memory.peak);
	n = cgroup_file_read_all(fd, "memory.stat", STAT_MOST, &text);
	if (n < 0)
		return absent_is_fine(n);
	status = cgroup_stats_parse_memory(text, stats);
	if (status < 0)
		return status;

	char events[CGROUP_FILE_SMALL];

	if (cgroup_file_read(fd, "memory.events", events, sizeof(events)) > 0)
		cgroup_stats_parse_memory_events(events, &stats->memory.events);
	status = read_swap(fd, stats);
	if (status < 0)
		return status;
	return read_pressure(fd, "memory.pressure", &stats->memory.pressure);
}

/* Without the controller, the processes are counted: threads are missed, as in runc. */
static int read_pids(int fd, struct cgroup_stats *stats)
{
	_cleanup_free_ char *text = NULL;
	int status = cgroup_file_read_number(fd, "pids.current", &stats->pids.current);

	if (status == 0) {
		uint64_t limit;

		if (cgroup_file_read_number(fd, "pids.max", &limit) == 0 && limit != UINT64_MAX)
			stats->pids.limit = limit;
		return 0;
	}
	if (status != -ENOENT)
		return status;

	ssize_t n = cgroup_file_read_all(fd, "cgroup.procs", STAT_MOST, &text);

	if (n < 0)
		return absent_is_fine(n);
	for (const char *p = text; *p != '\0'; p++)
		stats->pids.current += *p == '\n';
	return 0;
}

static int read_io(int fd, struct cgroup_stats *stats)
{
	_cleanup_free_ char *text = NULL;
	ssize_t n = cgroup_file_read_all(fd, "io.stat", STAT_MOST, &text);
	int status = n < 0 ? absent_is_fine(n) : cgroup_stats_parse_io(text, stats);

	return status < 0 ? status : read_pressure(fd, "io.pressure", &stats->io.pressure);
}

/* "hugetlb.2MB.current" -> "2MB". */
static const char *page_size_of(const char *file, struct arena *arena)
{
	static const char prefix[] = "hugetlb.", suffix[] = ".current";
	size_t length = strlen(file), ends = sizeof(prefix) + sizeof(suffix) - 2;

	if (length <= ends || strncmp(file, prefix, sizeof(prefix) - 1) != 0 ||
		strcmp(file + length - (sizeof(suffix) - 1), suffix) != 0 ||
		strstr(file, ".rsvd.") != NULL)
		return NULL;
	return arena_strndup(arena, file + sizeof(prefix) - 1, length - ends);
}

static void read_hugetlb_size(int fd, struct cgroup_hugetlb_use *use)
{
	char name[128];

	use->limit = CGROUP_NO_LIMIT;
	/* A reserved page is one that nobody else can have: runc counts them where it can. */
	snprintf(name, sizeof(name), "hugetlb.%.32s.rsvd.current", use->page_size);
	if (cgroup_file_read_number(fd, name, &use->usage) < 0) {
		snprintf(name, sizeof(name), "hugetlb.%.32s.current", use->page_size);
		cgroup_file_read_number(fd, name, &use->usage);
	}
	snprintf(name, sizeof(name), "hugetlb.%.32s.max", use->page_size);
	cgroup_file_read_number(fd, name, &use->limit);
	snprintf(name, sizeof(name), "hugetlb.%.32s.events", use->page_size);
	cgroup_file_find(fd, name, "max", &use->failures);
}

static int read_hugetlb(int fd, struct cgroup_stats *stats)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct cgroup_hugetlb_use *uses = arena_alloc(
		&stats->arena, PAGE_SIZES_MOST, sizeof(*uses));
	struct dirent *entry;

	if (dir == NULL) {
		int status = -errno;

		close_fd(copy);
		return status;
	}
	if (uses == NULL)
		return -ENOMEM;
	stats->hugetlb = uses;
	while (stats->n_hugetlb < PAGE_SIZES_MOST && (entry = readdir(dir)) != NULL) {
		struct cgroup_hugetlb_use *use = &uses[stats->n_hugetlb];

		use->page_size = page_size_of(entry->d_name, &stats->arena);
		if (use->page_size == NULL)
			continue;
		read_hugetlb_size(fd, use);
		stats->n_hugetlb++;
	}
	return 0;
}

static int read_rdma(int fd, struct cgroup_stats *stats)
{
	_cleanup_free_ char *text = NULL;
	ssize_t n = cgroup_file_read_all(fd, "rdma.current", STAT_MOST, &text);

	return n < 0 ? absent_is_fine(n) : cgroup_stats_parse_rdma(text, stats);
}

int cgroup_stats_read(int fd, struct cgroup_stats *ret, struct error *err)
{
	static int (*const readers[])(int, struct cgroup_stats *) = { read_cpu, read_memory,
		read_pids, read_io, read_hugetlb, read_rdma };
	static const char *const what[] = { "cpu.stat", "memory.stat", "pids.current", "io.stat",
		"hugetlb", "rdma.current" };
	_cleanup_(cgroup_stats_free) struct cgroup_stats stats = {
		.memory = { .limit = CGROUP_NO_LIMIT, .swap_limit = CGROUP_NO_LIMIT },
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		int status = readers[i](fd, &stats);

		if (status < 0)
			return error_set(err, -status, "cgroup: read %s", what[i]);
	}
	/* A file that is not there may be a cgroup that is gone. */
	if (faccessat(fd, "cgroup.procs", F_OK, 0) < 0)
		return error_set(err, errno, "cgroup: read the statistics");
	*ret = stats;
	stats = (struct cgroup_stats){ 0 };
	return 0;
}
