replay --audit nosuch.jsonl --policy before.yaml
