replay --audit edited.jsonl --policy before.yaml
