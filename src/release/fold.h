/* Folding an ONNX graph into one linear map.
 *
 * Nothing is executed. Every value in the graph is followed as what it is as a function of the features:
 *
 *   constant   numbers, the same for every row
 *   map        width columns, each  link( w · features + b )  clipped to [low, high]
 *
 * An operator either turns maps into maps (a scaler rescales w and b, a matrix product combines them, a
 * sigmoid sets the link) or it is refused by node name, operator and reason. Arithmetic on a linked or
 * clipped value is refused too, but for the plumbing classifiers end in (1 - p, p / (p + q)), which leaves
 * the probability what it was. Nodes the score does not depend on (the predicted label) are not looked at.
 *
 * An operator is a row in operators.c: domain, name, attributes, inputs, function. */
#ifndef WEIR_RELEASE_FOLD_H
#define WEIR_RELEASE_FOLD_H

#include "draft.h"
#include "tensor.h"

enum { WEIR_FOLD_WIDTH_MAX = 1024, WEIR_FOLD_NODE_MAX = 2048, WEIR_FOLD_EDGE_MAX = 16384 };

/* The two classes of a classifier, as its labels: numbers, or texts when texts[0] is set. */
typedef struct weir_fold_classes {
    int64_t numbers[2];
    const char *texts[2];
} weir_fold_classes;

typedef enum weir_fold_kind { WEIR_FOLD_CONSTANT, WEIR_FOLD_MAP } weir_fold_kind;

typedef struct weir_fold_value {
    const char *name;
    weir_fold_kind kind;
    weir_tensor tensor;  /* of a constant */
    size_t width;        /* of a map: its columns */
    double *rows;        /* of a map: width rows of feature_count weights and an offset */
    weir_link link;      /* identity until a sigmoid */
    bool flat;           /* shaped [rows] and not [rows, 1]; width is 1 */
    bool integer;        /* element type is an integer: no arithmetic before a cast */
    const char *clipped_by; /* name of the node that clipped it, NULL = not clipped */
    double clip_low, clip_high;
    const weir_fold_classes *classes; /* what the two columns are probabilities of, NULL = not said */
} weir_fold_value;

typedef struct weir_fold {
    weir_draft *draft; /* imputes and precision go here */
    weir_pool *pool;   /* scratch */
    const Onnx__GraphProto *graph;
    const char *wanted_class, *wanted_output; /* from the metadata, or NULL */
    size_t feature_count;
    weir_fold_value *values; /* those defined so far, by name */
    size_t value_count, value_max;
    uint64_t work_left; /* multiplications that may still be made */
} weir_fold;

/* One node being folded. */
typedef struct weir_fold_step {
    weir_fold *fold;
    const Onnx__NodeProto *node;
    const weir_fold_value **inputs; /* NULL where an optional input is left out */
    size_t input_count;
    weir_error *error;
} weir_fold_step;

typedef struct weir_operator {
    const char *domain; /* "" or "ai.onnx.ml" */
    const char *type;
    const char *attributes; /* names it understands, between spaces */
    size_t input_count_min, input_count_max;
    size_t output; /* index of the output it computes */
    weir_status (*fold)(weir_fold_step *step, weir_fold_value *out);
} weir_operator;

/* The row of an operator, or NULL. */
const weir_operator *weir_operator_find(const char *domain, const char *type);

/* Folds the graph into the draft's weights, bias, link, clip and imputes, and lists its nodes there.
 * Expects: the draft's features set, in the order of the graph's inputs. */
WEIR_MUST_USE weir_status weir_fold_graph(weir_fold *fold, weir_error *error);

/* Helpers for operators. */

/* "node "name" (op): reason", as WEIR_UNSUPPORTED. */
weir_status weir_fold_refuse(const weir_fold_step *step, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What messages call a node: its name, or that of its first output when it has none. Never NULL. */
const char *weir_fold_node_name(const Onnx__NodeProto *node);
/* Columns of an input tensor's type, 0 when the file does not say. */
size_t weir_fold_input_width(const Onnx__ValueInfoProto *input);
/* Whether an input of the graph is a real one: old files list initializers as inputs too. */
bool weir_fold_is_feature_input(const Onnx__GraphProto *graph, const Onnx__ValueInfoProto *input);

#endif
