/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's words and the numbers that Linux has for them. Each table ends with a NULL
 * name. The numbers come from the kernel's headers, or are written out where Debian 12's lack them.
 */
#pragma once

#include "config/decode.h"

extern const struct name_value rlimit_names[];
extern const struct name_value capability_names[]; /* the value is the bit's number */
extern const struct name_value scheduler_policy_names[];
extern const struct name_value scheduler_flag_names[];
extern const struct name_value io_priority_class_names[];
extern const struct name_value namespace_names[]; /* enum oci_namespace_type */
extern const struct name_value propagation_names[];
extern const struct name_value personality_names[];
extern const struct name_value memory_policy_mode_names[];
extern const struct name_value memory_policy_flag_names[];
extern const struct name_value seccomp_action_names[];
extern const struct name_value seccomp_operator_names[];
extern const struct name_value seccomp_architecture_names[];
extern const struct name_value seccomp_flag_names[];
extern const struct name_value vm_image_format_names[];

/* No such policy is in Linux; the number is reserved for it (sched(7)). */
#define SCHED_ISO_ 4
