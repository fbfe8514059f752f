/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp_shrink.h"

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define LOAD_WORD (BPF_LD | BPF_W | BPF_ABS)
#define AT_NUMBER offsetof(struct seccomp_data, nr)
#define AT_ARCH offsetof(struct seccomp_data, arch)

/* ---- what the program decides ---- */

enum decision_kind {
	DECIDES,     /* value: what the program returns */
	LOOKS_CLOSER /* value: the instruction that loads an argument */
};

struct decision {
	enum decision_kind kind;
	uint32_t value;
};

static bool same_decision(struct decision one, struct decision other)
{
	return one.kind == other.kind && one.value == other.value;
}

static bool compare(uint16_t code, uint32_t accumulator, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return accumulator == k;
	case BPF_JGT:
		return accumulator > k;
	default:
		return accumulator >= k;
	}
}

static bool is_comparison(uint16_t code)
{
	return code == (BPF_JMP | BPF_JEQ | BPF_K) || code == (BPF_JMP | BPF_JGT | BPF_K) ||
		code == (BPF_JMP | BPF_JGE | BPF_K);
}

/*
 * Runs the program up to its answer or its first look at anything but architecture and number.
 * False where it does something on the way that is not a comparison.
 */
static bool decide(const struct sock_filter *program, unsigned short count, uint32_t arch,
	uint32_t number, struct decision *ret)
{
	uint32_t accumulator = 0;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *at = &program[pc];

		if (at->code == LOAD_WORD && at->k != AT_NUMBER && at->k != AT_ARCH) {
			*ret = (struct decision){ LOOKS_CLOSER, (uint32_t)pc };
			return true;
		}
		if (at->code == (BPF_RET | BPF_K)) {
			*ret = (struct decision){ DECIDES, at->k };
			return true;
		}
		if (at->code == LOAD_WORD)
			accumulator = at->k == AT_ARCH ? arch : number;
		else if (at->code == (BPF_JMP | BPF_JA))
			pc += at->k;
		else if (is_comparison(at->code))
			pc += compare(at->code, accumulator, at->k) ? at->jt : at->jf;
		else
			return false;
	}
	return false;
}

bool seccomp_constant_decision(const struct sock_filter *program, unsigned short count,
	uint32_t arch, uint32_t number, uint32_t *ret)
{
	struct decision decision;

	if (!decide(program, count, arch, number, &decision) || decision.kind != DECIDES)
		return false;
	*ret = decision.value;
	return true;
}

/* ---- where its decisions can change ---- */

struct points {
	uint32_t *items; /* first values of the ranges: ascending, from 0 */
	size_t count;
};

static void free_points(struct points *points)
{
	free(points->items);
}

static int ascending(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

static void sort_points(struct points *points)
{
	size_t kept = 0;

	qsort(points->items, points->count, sizeof(*points->items), ascending);
	for (size_t i = 0; i < points->count; i++) {
		if (kept == 0 || points->items[kept - 1] != points->items[i])
			points->items[kept++] = points->items[i];
	}
	points->count = kept;
}

static void add_point(struct points *points, uint32_t k)
{
	points->items[points->count++] = k;
	if (k != UINT32_MAX)
		points->items[points->count++] = k + 1;
}

/* What the accumulator may hold before an instruction, as a set. */
enum { HOLDS_ARCH = 1, HOLDS_NUMBER = 2, HOLDS_OTHER = 4 };

/*
 * Collects every constant that the architecture and the number are compared with on any path:
 * between two of them no comparison changes its outcome. Jumps lead forward only, so one pass sees
 * each instruction after all that lead to it.
 */
static bool find_points(const struct sock_filter *program, unsigned short count,
	struct points *archs, struct points *numbers)
{
	_cleanup_free_ unsigned char *holds = calloc(count + 1U, 1);

	archs->items = calloc(2U * count + 1, sizeof(uint32_t));
	numbers->items = calloc(2U * count + 1, sizeof(uint32_t));
	if (holds == NULL || archs->items == NULL || numbers->items == NULL)
		return false;
	archs->count = numbers->count = 1;
	holds[0] = HOLDS_OTHER;
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *at = &program[pc];
		unsigned char held = holds[pc];
		size_t after = pc + 1;

		if (held == 0 || BPF_CLASS(at->code) == BPF_RET)
			continue;
		if (at->code == LOAD_WORD)
			held = at->k == AT_ARCH	     ? HOLDS_ARCH
				: at->k == AT_NUMBER ? HOLDS_NUMBER
						     : HOLDS_OTHER;
		if (at->code == (BPF_JMP | BPF_JA)) {
			if (at->k >= count - after)
				return false;
			holds[after + at->k] |= held;
			continue;
		}
		if (BPF_CLASS(at->code) == BPF_JMP) {
			if (after + at->jt >= count || after + at->jf >= count)
				return false;
			if (held & HOLDS_ARCH)
				add_point(archs, at->k);
			if (held & HOLDS_NUMBER)
				add_point(numbers, at->k);
			holds[after + at->jt] |= held;
			holds[after + at->jf] |= held;
			continue;
		}
		holds[after] |= held;
	}
	sort_points(archs);
	sort_points(numbers);
	return true;
}

/* ---- the new program, written from its end ---- */

/* Where a branch leads: to an answer, or to an instruction by its distance from the end. */
struct target {
	bool answer;
	uint32_t value;
};

struct range {
	uint32_t first;
	struct target target;
};

struct writer {
	struct sock_filter *end; /* the instruction at distance d is end[-d] */
	uint32_t size, room;
	bool failed;
};

static bool same_target(struct target one, struct target other)
{
	return one.answer == other.answer && one.value == other.value;
}

/* Returns the distance of the new instruction. */
static uint32_t put(struct writer *writer, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (writer->size == writer->room) {
		writer->failed = true;
		return writer->size;
	}
	writer->size++;
	writer->end[-(ptrdiff_t)writer->size] = (struct sock_filter){ code, jt, jf, k };
	return writer->size;
}

/* How far a jump written now, or after one or two more instructions, may reach. */
#define REACH (UINT8_MAX - 2)

/* Returns the distance of an instruction near enough that is, or leads to, the target. */
static uint32_t near_enough(struct writer *writer, struct target target)
{
	if (!target.answer && writer->size - target.value <= REACH)
		return target.value;
	for (uint32_t d = writer->size; d > 0 && writer->size - d <= REACH; d--) {
		const struct sock_filter *at = &writer->end[-(ptrdiff_t)d];

		if (target.answer ? at->code == (BPF_RET | BPF_K) && at->k == target.value
				  : at->code == (BPF_JMP | BPF_JA) && d - 1 - at->k == target.value)
			return d;
	}
	if (target.answer)
		return put(writer, BPF_RET | BPF_K, 0, 0, target.value);
	return put(writer, BPF_JMP | BPF_JA, 0, 0, writer->size - target.value);
}

static struct target put_branch(
	struct writer *writer, uint16_t operation, uint32_t k, struct target yes, struct target no)
{
	uint32_t at_yes = near_enough(writer, yes);
	uint32_t at_no = near_enough(writer, no);

	return (struct target){ false,
		put(writer, BPF_JMP | operation | BPF_K, (uint8_t)(writer->size - at_yes),
			(uint8_t)(writer->size - at_no), k) };
}

/* Makes the target the next instruction of what is written before it. */
static void put_entry(struct writer *writer, struct target target)
{
	if (target.answer)
		put(writer, BPF_RET | BPF_K, 0, 0, target.value);
	else if (target.value != writer->size)
		put(writer, BPF_JMP | BPF_JA, 0, 0, writer->size - target.value);
}

/* One value that is an exception inside a range. */
static bool is_exception(const struct range *three)
{
	return three[1].first + 1 == three[2].first &&
		same_target(three[0].target, three[2].target);
}

/* A balanced search tree: its depth is the logarithm of the number of ranges. */
static struct target put_tree(struct writer *writer, const struct range *ranges, size_t count)
{
	if (count == 1)
		return ranges[0].target;
	if (count == 3 && is_exception(ranges))
		return put_branch(
			writer, BPF_JEQ, ranges[1].first, ranges[1].target, ranges[0].target);

	size_t left = count / 2;
	if (count == 4 && is_exception(ranges + 1))
		left = 1;
	else if (count == 4 && is_exception(ranges))
		left = 3;
	struct target high = put_tree(writer, ranges + left, count - left);
	struct target low = put_tree(writer, ranges, left);
	return put_branch(writer, BPF_JGE, ranges[left].first, high, low);
}

/* ---- arguments: the old program's own instructions ---- */

/*
 * Copies what can be reached from the instructions marked in `wanted` to the end of the new
 * program, in the old order, so that jumps only get shorter. Stores each one's distance in
 * `placed`.
 */
static bool copy_reachable(struct writer *writer, const struct sock_filter *program,
	unsigned short count, unsigned char *wanted, uint32_t *placed)
{
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *at = &program[pc];

		if (!wanted[pc] || BPF_CLASS(at->code) == BPF_RET)
			continue;
		if (at->code == (BPF_JMP | BPF_JA)) {
			wanted[pc + 1 + at->k] = 1;
		} else if (BPF_CLASS(at->code) == BPF_JMP) {
			wanted[pc + 1 + at->jt] = 1;
			wanted[pc + 1 + at->jf] = 1;
		} else if (pc + 1 < count) {
			wanted[pc + 1] = 1;
		} else {
			return false;
		}
	}
	for (size_t pc = count; pc-- > 0;) {
		struct sock_filter copy = program[pc];

		if (!wanted[pc])
			continue;
		if (copy.code == (BPF_JMP | BPF_JA)) {
			copy.k = writer->size - placed[pc + 1 + copy.k];
		} else if (BPF_CLASS(copy.code) == BPF_JMP) {
			copy.jt = (uint8_t)(writer->size - placed[pc + 1 + copy.jt]);
			copy.jf = (uint8_t)(writer->size - placed[pc + 1 + copy.jf]);
		}
		placed[pc] = put(writer, copy.code, copy.jt, copy.jf, copy.k);
	}
	return !writer->failed;
}

/* ---- all together ---- */

struct shrinking {
	const struct sock_filter *program;
	unsigned short count;
	struct points archs, numbers;
	struct decision *decisions; /* of archs.count rows and numbers.count columns */
	uint32_t *placed;
	struct range *ranges;
	struct writer writer;
};

static bool decide_all(struct shrinking *work, unsigned char *wanted)
{
	for (size_t a = 0; a < work->archs.count; a++) {
		for (size_t n = 0; n < work->numbers.count; n++) {
			struct decision *decision = &work->decisions[a * work->numbers.count + n];

			if (!decide(work->program, work->count, work->archs.items[a],
				    work->numbers.items[n], decision))
				return false;
			if (decision->kind == LOOKS_CLOSER)
				wanted[decision->value] = 1;
		}
	}
	return true;
}

/* The tree of one architecture's numbers; no instruction where all of them share an answer. */
static struct target put_numbers(struct shrinking *work, const struct decision *decisions)
{
	size_t count = 0;

	for (size_t n = 0; n < work->numbers.count; n++) {
		struct target target = { decisions[n].kind == DECIDES, decisions[n].value };

		if (n > 0 && same_decision(decisions[n], decisions[n - 1]))
			continue;
		if (!target.answer)
			target.value = work->placed[target.value];
		work->ranges[count++] = (struct range){ work->numbers.items[n], target };
	}
	if (count == 1 && work->ranges[0].target.answer)
		return work->ranges[0].target;
	put_entry(&work->writer, put_tree(&work->writer, work->ranges, count));
	return (struct target){ false, put(&work->writer, LOAD_WORD, 0, 0, AT_NUMBER) };
}

/*
 * The tree for the architectures of row `a`, written or found: all that are not listed share one
 * row, and it comes between the listed ones.
 */
static struct target put_architecture(struct shrinking *work, const struct range *archs, size_t a)
{
	size_t columns = work->numbers.count;
	const struct decision *row = &work->decisions[a * columns];

	for (size_t back = 1; back <= 2 && back <= a; back++) {
		if (memcmp(row, row - back * columns, columns * sizeof(*row)) == 0)
			return archs[a - back].target;
	}
	return put_numbers(work, row);
}

static bool write_program(struct shrinking *work)
{
	_cleanup_free_ struct range *archs = calloc(work->archs.count, sizeof(*archs));
	size_t count = 0;

	if (archs == NULL)
		return false;
	for (size_t a = 0; a < work->archs.count; a++)
		archs[a] = (struct range){ work->archs.items[a], put_architecture(work, archs, a) };
	for (size_t a = 0; a < work->archs.count; a++) {
		if (count == 0 || !same_target(archs[a].target, archs[count - 1].target))
			archs[count++] = archs[a];
	}
	put_entry(&work->writer, put_tree(&work->writer, archs, count));
	put(&work->writer, LOAD_WORD, 0, 0, AT_ARCH);
	return !work->writer.failed;
}

static bool shrink(struct shrinking *work, struct sock_filter *room, size_t room_count)
{
	size_t cells = work->archs.count * work->numbers.count;

	/* Profiles have some hundred numbers and a few architectures. */
	if (cells > 1024 * 1024)
		return false;
	_cleanup_free_ unsigned char *wanted = calloc(work->count, 1);
	work->decisions = calloc(cells, sizeof(*work->decisions));
	work->placed = calloc(work->count, sizeof(*work->placed));
	work->ranges = calloc(work->numbers.count, sizeof(*work->ranges));
	work->writer = (struct writer){ .end = room + room_count, .room = (uint32_t)room_count };
	if (wanted == NULL || work->decisions == NULL || work->placed == NULL ||
		work->ranges == NULL)
		return false;
	return decide_all(work, wanted) &&
		copy_reachable(&work->writer, work->program, work->count, wanted, work->placed) &&
		write_program(work);
}

void seccomp_shrink(struct sock_filter **program, unsigned short *count)
{
	struct shrinking work = { .program = *program, .count = *count };
	/* One that is not smaller is not worth having. */
	_cleanup_free_ struct sock_filter *room = calloc(*count, sizeof(*room));

	if (room != NULL && find_points(*program, *count, &work.archs, &work.numbers) &&
		shrink(&work, room, *count) && work.writer.size < *count) {
		memcpy(*program, work.writer.end - work.writer.size,
			work.writer.size * sizeof(**program));
		*count = (unsigned short)work.writer.size;
	}
	free_points(&work.archs);
	free_points(&work.numbers);
	free(work.decisions);
	free(work.placed);
	free(work.ranges);
}
