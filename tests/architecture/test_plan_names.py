# SPDX-License-Identifier: Apache-2.0
"""The public names: importable at these paths, and callable as they were promised."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from architecture.plan_files import MODIFIED_FILES, NEW_FILES
from architecture.source_tree import ROOT

NAMES = {
    "node0.models.arguments.ModelArguments": "lora_rank lora_alpha lora_dropout lora_target_modules",
    "node0.models.llama.arguments.LlamaArguments": "hidden_dim n_heads num_hidden_layers n_kv_heads "
    "vocab_size",
    "node0.models.llama.layers.HeadExpert": "model_args",
    "node0.models.llama.layers.BodyExpert": "model_args",
    "node0.models.llama.layers.TailExpert": "model_args",
    "node0.security.validation.WorkerMetricsV1": "peer_id num_flop active_time",
    "node0.security.validation.TrainingMetricsV1": "peer_id step loss role corpus_hash",
    "node0.security.validation.TrainingMetricSchema": "training_metrics",
    "node0.security.validation.make_validators": "experiment_prefix peer_id stage",
    "node0.server.module_collab.ModuleCollab": "data_feeder",
    "node0.server.optim.AutoStepOptimizer": "finetune_mode",
    "node0.utils.common.build_cls": "",
    "node0.utils.monitor.MonitorWorker": "finetune_mode",
    "node0.utils.monitor.MonitorWorker.monitor_callback": "",
    "node0.utils.monitor.MonitorWorker.report": "",
    "node0.utils.monitor.MonitorWorker.add_auth_info": "",
    "node0.utils.node_info.call_with_retries": "",
    "node0.finetune.config.FineTuneConfig": "mode corpus_path checkpoint_dir checkpoint_every_n_steps "
    "eval_every_n_steps role lora",
    "node0.finetune.lora.config.LoRAConfig": "rank alpha dropout target_modules",
    "node0.finetune.lora.adapter.apply_lora": "module config",
    "node0.finetune.lora.adapter.get_lora_parameters": "module",
    "node0.finetune.lora.adapter.freeze_base_params": "module",
    "node0.finetune.lora.linear.LoRALinear": "",
    "node0.finetune.corpus.schema.CorpusEntry": "id role rig task_type messages outcome created_at",
    "node0.finetune.corpus.store.CorpusStore": "",
    "node0.finetune.corpus.store.CorpusStore.add": "entry",
    "node0.finetune.corpus.store.CorpusStore.list": "role",
    "node0.finetune.corpus.store.CorpusStore.get": "",
    "node0.finetune.corpus.store.CorpusStore.corpus_hash": "role",
    "node0.finetune.corpus.scrubber.CorpusScrubber.scrub": "text",
    "node0.finetune.corpus.scrubber.CorpusScrubber.audit_entry": "entry strict",
    "node0.finetune.corpus.scrubber.CorpusScrubber.audit_store": "store role",
    "node0.finetune.corpus.sharing.CorpusSharingExporter.export_for_sharing": "store role output_path",
    "node0.finetune.corpus.formatter.CorpusFormatter.format_session": "transcript role rig bead_id outcome "
    "task_type",
    "node0.finetune.corpus.collector.CorpusCollector.collect_from_session": "session_name bead_id role rig "
    "outcome",
    "node0.finetune.corpus.artifact_collector.CorpusArtifactCollector.collect_claude_md": "rig_root role",
    "node0.finetune.corpus.artifact_collector.CorpusArtifactCollector.collect_formulas": "formulas_dir",
    "node0.finetune.corpus.artifact_collector.CorpusArtifactCollector.collect_specs": "plans_root",
    "node0.finetune.corpus.artifact_collector.CorpusArtifactCollector.collect_agents_md": "rig_root",
    "node0.finetune.eval.schema.EvalResult": "",
    "node0.finetune.eval.runner.EvalRunner.run_all": "model_name inference_fn",
    "node0.finetune.eval.runner.EvalRunner.composite_score": "scores weights",
    "node0.finetune.eval.scorer.update_registry_with_scores": "model_name scores composite",
    "node0.finetune.eval.reversion.CorpusReversionDetector.check_regression": "new_model previous_model "
    "registry",
    "node0.finetune.eval.reversion.CorpusReversionDetector.has_significant_regression": "deltas threshold",
    "node0.finetune.eval.reversion.CorpusReversionDetector.flag_in_registry": "model_name regression_summary "
    "registry",
    "node0.finetune.eval.reversion.CorpusReversionDetector.hold_rollout": "model_name",
    "node0.finetune.data.tokenizer.load_tokenizer": "max_length",
    "node0.finetune.data.dataset.CorpusDataset": "role tokenizer max_length",
    "node0.finetune.data.loader.make_dataloader": "dataset batch_size shuffle",
    "node0.finetune.data.feeder.DataFeeder": "loader",
    "node0.finetune.data.feeder.DataFeeder.get_batch": "",
    "node0.finetune.data.feeder.DataFeeder.start": "",
    "node0.finetune.data.feeder.DataFeeder.stop": "",
    "node0.finetune.data.loss.sft_loss": "logits labels",
    "node0.finetune.data.loss.dpo_loss": "chosen_logits rejected_logits chosen_labels rejected_labels beta "
    "reference_chosen_logps reference_rejected_logps",
    "node0.finetune.checkpoint.shard.save_shard": "module checkpoint_dir stage step",
    "node0.finetune.checkpoint.shard.load_shard": "checkpoint_dir stage step",
    "node0.finetune.checkpoint.gatherer.CheckpointGatherer.announce_shard": "dht experiment_prefix "
    "stage step shard_path",
    "node0.finetune.checkpoint.gatherer.CheckpointGatherer.gather_all_shards": "dht experiment_prefix step "
    "expected_stages timeout",
    "node0.finetune.checkpoint.assembler.assemble_checkpoint": "stage_shards output_path",
    "node0.finetune.checkpoint.exporter.export_to_gguf": "safetensors_path output_path quantization",
    "node0.finetune.registry.schema.ModelRegistryEntry": "name role base_model",
    "node0.finetune.registry.store.ModelRegistry.register": "entry",
    "node0.finetune.registry.store.ModelRegistry.get": "name",
    "node0.finetune.registry.store.ModelRegistry.list": "role",
    "node0.finetune.registry.store.ModelRegistry.update_eval_score": "name eval_score by_category",
    "node0.finetune.registry.store.ModelRegistry.update_deployment_status": "name status rigs",
    "node0.finetune.inference.kv_cache.KVCache.update": "layer_idx",
    "node0.finetune.inference.kv_cache.KVCache.reset": "",
    "node0.finetune.inference.kv_cache.KVCache.__len__": "",
    "node0.finetune.inference.sampling.sample_token": "logits temperature top_p top_k",
    "node0.finetune.inference.generator.Generator.generate": "prompt_ids max_new_tokens temperature top_p "
    "stop_token_ids",
    "node0.finetune.inference.prompt_api.PromptAPI": "",
    "node0.finetune.rag.indexer.RAGIndexer": "persist_dir",
    "node0.finetune.rag.indexer.RAGIndexer.index_bead": "bead_id content",
    "node0.finetune.rag.indexer.RAGIndexer.index_config": "path content",
    "node0.finetune.rag.indexer.RAGIndexer.index_session": "session_id content",
    "node0.finetune.rag.indexer.RAGIndexer.index_formula": "formula_path content",
    "node0.finetune.rag.retriever.RAGRetriever": "persist_dir",
    "node0.finetune.rag.retriever.RAGRetriever.retrieve": "query n_results",
    "node0.run_finetune.main": "",
    "node0.run_server.main": "",
    "node0.run_inference.main": "",
    "node0.run_corpus.main": "",
}
ONE_LINERS = [
    "from node0.models.llama.arguments import LlamaArguments; a = LlamaArguments(); "
    "assert a.vocab_size == 32000",
    "from node0.models.llama.arguments import LlamaArguments; "
    "LlamaArguments(hidden_dim=64, n_heads=2, num_hidden_layers=2, n_kv_heads=2)",
    "from node0.finetune.config import FineTuneConfig; from node0.finetune.lora.config import LoRAConfig; "
    "c = FineTuneConfig(corpus_path='a', checkpoint_dir='b', role='polecat', lora=LoRAConfig()); "
    "assert (c.mode, c.checkpoint_every_n_steps, c.eval_every_n_steps) == ('sft', 100, 500); "
    "assert (c.lora.rank, c.lora.alpha, c.lora.dropout) == (64, 128.0, 0.05); "
    "assert c.lora.target_modules == ['wq', 'wk', 'wv', 'wo']",
    "from node0.utils.monitor import MonitorWorker; MonitorWorker(finetune_mode=True)",
    "from node0.run_finetune import main",
]


def _found(path: str) -> object:
    """The thing at a dotted path, through a module and what is inside it."""
    words = path.split(".")
    for cut in range(len(words) - 1, 0, -1):
        try:
            thing: object = import_module(".".join(words[:cut]))
        except ModuleNotFoundError:
            continue
        for word in words[cut:]:
            thing = getattr(thing, word)
        return thing
    raise AssertionError(path)


@pytest.mark.parametrize("path", [*NEW_FILES, *MODIFIED_FILES])
def test_a_file_of_the_plan_is_where_it_was_promised_and_imports(path: str) -> None:
    assert (ROOT / path).is_file()
    if path.startswith("src/") and path.endswith(".py"):
        module = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        assert Path(str(import_module(module).__file__)) == ROOT / path


@pytest.mark.parametrize("path", NAMES)
def test_a_public_name_is_where_it_was_promised_and_takes_what_was_promised(path: str) -> None:
    parameters = inspect.signature(_found(path)).parameters  # type: ignore[arg-type]  # callable, or the test fails

    assert set(NAMES[path].split()) <= set(parameters)


@pytest.mark.parametrize("line", ONE_LINERS)
def test_a_one_liner_of_the_plan_runs(line: str) -> None:
    subprocess.run([sys.executable, "-c", line], check=True, timeout=60)


def test_old_names_of_errors_are_the_same_classes() -> None:
    for name in ("RetriableError", "NonRetriableError"):
        assert _found(f"node0.utils.node_info.{name}") is _found(f"node0.errors.{name}")
