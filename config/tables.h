/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables: what each object of config.json holds. One per subject, each in a file of its own.
 */
#pragma once

#include "config/decode.h"
#include "config/oci.h"

extern const struct object_type config_type;	 /* struct oci_config */
extern const struct object_type process_type;	 /* struct oci_process */
extern const struct object_type mount_type;	 /* struct oci_mount */
extern const struct object_type hooks_type;	 /* struct oci_hooks */
extern const struct object_type id_mapping_type; /* struct oci_id_mapping */
extern const struct object_type linux_type;	 /* struct oci_linux */
extern const struct object_type resources_type;	 /* struct oci_resources */
extern const struct object_type seccomp_type;	 /* struct oci_seccomp */
extern const struct object_type vm_type;	 /* struct oci_vm */

/*
 * What the kernel asks of a map (user_namespaces(7)): at most 340 entries, no overlap on either
 * side. The error's path is that of member `name`.
 */
int check_id_mappings(
	struct decoder *decoder, const char *name, const struct oci_id_mappings *mappings);
