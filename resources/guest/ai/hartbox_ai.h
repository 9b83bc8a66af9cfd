/*
 * Inference by the host of a Hartbox box: docs/ai.md.
 *
 * Open a connection, load a model, run it. What cannot be done is told by hbai_error(); all functions that return an int return 0 for success
 * and -1 for failure. A connection belongs to one thread at a time. SPDX-License-Identifier: Apache-2.0
 */
#ifndef HARTBOX_AI_H
#define HARTBOX_AI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of tensors, by ONNX's numbers. */
enum {
	HBAI_FLOAT = 1, HBAI_UINT8 = 2, HBAI_INT8 = 3, HBAI_UINT16 = 4, HBAI_INT16 = 5, HBAI_INT32 = 6, HBAI_INT64 = 7,
	HBAI_BOOL = 9, HBAI_FLOAT16 = 10, HBAI_DOUBLE = 11, HBAI_UINT32 = 12, HBAI_UINT64 = 13
};

/* In the dimensions of a model's inputs and outputs: any size. */
#define HBAI_ANY UINT32_MAX
#define HBAI_RANK_MAX 16
#define HBAI_NAME_MAX 256

typedef struct {
	char name[HBAI_NAME_MAX];
	int type;
	unsigned rank;
	uint32_t sizes[HBAI_RANK_MAX];
	/* Elements, in the order of C; none in descriptions. Of results: until the next call with the connection. */
	const void *data;
	size_t bytes;
} hbai_tensor;

typedef struct hbai hbai;

typedef struct {
	uint32_t handle;
	unsigned input_count, output_count;
	hbai_tensor *inputs, *outputs;
} hbai_model;

typedef struct {
	uint32_t version, message_bytes, model_mebibytes, models, milliseconds;
	char backend[128];
} hbai_host;

/* The device, or a console port, whichever is there and free; `path` NULL, else that file. NULL for failure, and then why in `why`, if given. */
hbai *hbai_open(const char *path, char *why, size_t why_size);
void hbai_close(hbai *ai);
/* Why the last call failed. */
const char *hbai_error(const hbai *ai);

/* What the host offers. */
int hbai_hello(hbai *ai, hbai_host *host);
/* Models of the host: a line each, name, tab, bytes. To be freed. NULL for failure. */
char *hbai_list(hbai *ai);

/* A model of the host by its name; one of this system by its file; one in memory. hbai_free() closes it. */
int hbai_open_model(hbai *ai, const char *name, hbai_model *model);
int hbai_load_file(hbai *ai, const char *file, hbai_model *model);
int hbai_load(hbai *ai, const void *bytes, size_t length, hbai_model *model);
int hbai_free(hbai *ai, hbai_model *model);

/*
 * Run a model: inputs by their names. At most `most` results are put into `results`, all outputs of the model in their order; returns how many,
 * or -1. `microseconds` may be NULL: how long the host took.
 */
int hbai_run(hbai *ai, const hbai_model *model, const hbai_tensor *inputs, unsigned count, hbai_tensor *results, unsigned most,
             uint32_t *microseconds);

/* A tensor of `rank` sizes on `data`. */
hbai_tensor hbai_make(const char *name, int type, const void *data, unsigned rank, const uint32_t *sizes);
/* Bytes of an element; 0 for types that there are not. */
size_t hbai_size(int type);
const char *hbai_type_name(int type);

#ifdef __cplusplus
}
#endif
#endif
