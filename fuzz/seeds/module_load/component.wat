;; The export is there, and has another type.
(component (instance $none) (export "hottap:tracer/tracer@0.1.0-draft" (instance $none)))
