"""What of KubeRay's RayJob (ray.io/v1, KubeRay 1.6) this project uses, as a JSON schema; other fields are refused."""

TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 0}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"}


def strict(required=(), **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


RESOURCES = strict(cpu=QUANTITY, memory=QUANTITY)
CONTAINER = strict(
    ("name", "image"),
    name=TEXT,
    image=TEXT,
    env={"type": "array", "items": strict(("name", "value"), name=TEXT, value={"type": "string"})},
    resources=strict(requests=RESOURCES, limits=RESOURCES),
)
POD = strict(
    ("spec",),
    spec=strict(
        ("containers",),
        serviceAccountName=TEXT,
        containers={"type": "array", "minItems": 1, "items": CONTAINER},
    ),
)
PARAMETERS = {"type": "object", "additionalProperties": {"type": "string"}}
CLUSTER = strict(
    ("headGroupSpec",),
    rayVersion=TEXT,
    authOptions=strict(mode={"enum": ["disabled", "token"]}),
    enableInTreeAutoscaling={"type": "boolean"},
    autoscalerOptions=strict(idleTimeoutSeconds=COUNT),
    headGroupSpec=strict(("template",), rayStartParams=PARAMETERS, template=POD),
    workerGroupSpecs={
        "type": "array",
        "items": strict(
            ("groupName", "template"),
            groupName=TEXT,
            minReplicas=COUNT,
            replicas=COUNT,
            maxReplicas=COUNT,
            rayStartParams=PARAMETERS,
            template=POD,
        ),
    },
)
RAYJOB = strict(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=strict(("name",), name={"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]{0,45}[a-z0-9])?$"}),
    spec=strict(
        ("rayClusterSpec",),
        entrypoint=TEXT,
        backoffLimit=COUNT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        rayClusterSpec=CLUSTER,
    ),
)
