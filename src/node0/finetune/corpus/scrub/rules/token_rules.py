# SPDX-License-Identifier: Apache-2.0
"""The rules for tokens that a provider's prefix gives away, as a table.

Formats: the providers' documents and gitleaks' published rules, in our own words. Checksums are never
required: a redaction too many costs less than a leak.
"""

from node0.finetune.corpus.scrub.rules.judges import invite, random_token, unnamed
from node0.finetune.corpus.scrub.rules.secret_rule import (
    LETTERS,
    START,
    WORD,
    SecretRule,
    make_token,
)

TOKEN_RULES: tuple[SecretRule, ...] = (
    make_token("github-token", "ghp_ gho_ ghu_ ghr_", r"gh[pour]_(?:[A-Za-z0-9]{20,255})", length=40),
    make_token("github-token", "ghs_", r"ghs_[A-Za-z0-9](?:[A-Za-z0-9._-]{18,1500}[A-Za-z0-9_])"),
    make_token("github-token", "github_pat_", r"github_pat_\w{22,255}", length=93),
    make_token("anthropic-key", "sk-ant-", r"sk-ant-[a-z0-9]{2,12}-[\w-]{20,512}"),
    make_token("openai-key", "sk-proj- sk-svcacct- sk-admin-", r"sk-(?:proj|svcacct|admin)-[\w-]{40,300}"),
    make_token(
        "openai-key",
        "T3BlbkFJ",
        r"[\w-]{0,100}?(?P<secret>sk-[\w-]{10,90}T3BlbkFJ[\w-]{16,90})",
        before=WORD + "-",
        reach=100,
    ),
    make_token(
        "api-key",
        "sk-",
        rf"{START}sk-(?:[a-z]{{2,8}}-(?:v\d-)?)?[A-Za-z0-9]{{28,128}}(?![\w-])",
        random_token,
    ),
    make_token(
        "aws-access-key",
        "AKIA ASIA ABIA ACCA A3T",
        r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])",
        length=20,
    ),
    make_token("gcp-key", "AIza", r"AIza[\w-]{35}", length=39),
    make_token("gcp-token", "ya29.", r"ya29\.[\w.-]{20,2048}"),
    make_token("gcp-token", "1//0", rf"{START}1//0[\w-]{{40,200}}"),
    make_token("gcp-token", "GOCSPX-", r"GOCSPX-[\w-]{20,64}"),
    make_token("slack-token", "xox", r"xox[abeprs](?:\.xox[bp])?-[\w-]{10,512}"),
    make_token("slack-token", "xapp-", r"xapp-\d-[\w-]{10,512}"),
    make_token(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{20,255})",
    ),
    make_token("webhook", "/api/webhooks/", r"/api/webhooks/\d{15,22}/(?P<secret>[\w-]{40,100})"),
    make_token("webhook", "webhook.office.com/", r"webhook\.office\.com/(?P<secret>[\w@/-]{40,400})"),
    make_token(
        "invite-link",
        "discord.gg/ discord.com/invite/ /shared_invite/ t.me/+ t.me/joinchat/ chat.whatsapp.com/",
        r"(?:discord\.(?:gg|com/invite)|/shared_invite|t\.me(?:/joinchat)?|chat\.whatsapp\.com)/\+?"
        r"(?P<secret>[\w~-]{6,80})",
        invite,
    ),
    make_token(
        "telegram-token", ":AA", r"(?<!\d)\d{6,12}:AA[\w-]{30,40}(?![\w-])", before="0123456789", reach=12
    ),
    make_token("npm-token", "npm_", r"npm_[A-Za-z0-9]{36,64}", length=40),
    make_token("pypi-token", "pypi-AgE", r"pypi-AgE[\w-]{50,1024}"),
    make_token("rubygems-key", "rubygems_", r"rubygems_[a-f0-9]{48}", length=57),
    make_token("crates-token", "cio", rf"{START}cio[A-Za-z0-9]{{32}}(?![\w-])", random_token, length=35),
    make_token("docker-token", "dckr_", r"dckr_[op]at_[\w-]{20,64}", length=36),
    make_token(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glsoat- glft- glimt- glagent- glffct-",
        r"gl(?:pat|dt|rtr?|cbt|ptt|soat|ft|imt|agent|ffct)-[\w-]{20,300}(?:\.[\w-]{2,64}){0,3}",
    ),
    make_token("atlassian-token", "ATATT3 ATCTT3", r"AT[AC]TT3[\w=-]{60,400}"),
    make_token("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,64}", length=37),
    make_token("huggingface-token", "api_org_", r"api_org_[A-Za-z0-9]{30,64}"),
    make_token("groq-key", "gsk_", r"gsk_[A-Za-z0-9]{40,64}", length=56),
    make_token("replicate-token", "r8_", rf"{START}r8_[A-Za-z0-9]{{30,44}}", length=40),
    make_token("perplexity-key", "pplx-", r"pplx-[A-Za-z0-9]{40,64}", length=53),
    make_token("xai-key", "xai-", rf"{START}xai-[A-Za-z0-9]{{60,100}}"),
    make_token("langsmith-key", "lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{8,16}"),
    make_token(
        "stripe-key", "k_live_ k_test_ k_prod_", r"[sr]k_(?:live|test|prod)_\w{10,99}", before="sr", reach=1
    ),
    make_token("stripe-key", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,99}"),
    make_token(
        "shopify-token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", length=38
    ),
    make_token("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.[\w-]{24,300}"),
    make_token(
        "terraform-token",
        ".atlasv1.",
        r"[A-Za-z0-9]{10,20}\.atlasv1\.[\w=-]{40,100}",
        before=LETTERS,
        reach=20,
    ),
    make_token("databricks-token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?", length=36),
    make_token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}", length=71),
    make_token("flyio-token", "fm1_ fm2_ fm1a_ fm1r_", rf"{START}fm[12][ar]?_[A-Za-z0-9+/=_-]{{60,2000}}"),
    make_token("supabase-key", "sbp_ sb_secret_", r"sb(?:p_[a-f0-9]{40}|_secret_[\w-]{20,64})"),
    make_token("planetscale-token", "pscale_", r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}"),
    make_token("pulumi-token", "pul-", rf"{START}pul-[a-f0-9]{{40}}", length=44),
    make_token("tailscale-key", "tskey-", r"tskey-[a-z]{2,12}-[A-Za-z0-9-]{16,100}"),
    make_token("cloud-key", "Q~", r"[\w~.-]{3}[78]Q~[\w~.-]{31,34}", before=WORD + "~.-", reach=4),
    make_token("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{40,64}", length=74),
    make_token("sendgrid-key", "SG.", r"SG\.[\w-]{16,32}\.[\w-]{32,64}"),
    make_token("twilio-key", "SK", rf"{START}SK[a-f0-9]{{32}}(?![\w-])", length=34),
    make_token(
        "mailgun-key", "key-", r"(?:(?<![A-Za-z0-9-])|(?<=\\[nrt]))key-[a-f0-9]{32}(?![\w-])", length=36
    ),
    make_token("newrelic-key", "NRAK-", r"NRAK-[A-Z0-9]{27}", length=32),
    make_token("grafana-token", "glsa_ glc_", r"gl(?:sa|c)_[A-Za-z0-9+/=_]{30,400}"),
    make_token("sentry-token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{40,400}"),
    make_token("postman-key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", length=64),
    make_token("circleci-token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_[A-Za-z0-9]{10,30}_[a-f0-9]{40}"),
    make_token("buildkite-token", "bkua_", r"bkua_[a-f0-9]{40}", length=45),
    make_token("figma-token", "figd_", r"figd_[\w-]{30,64}", length=45),
    make_token("linear-key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    make_token("notion-token", "ntn_", rf"{START}ntn_[A-Za-z0-9]{{40,64}}"),
    make_token("notion-token", "secret_", rf"{START}secret_[A-Za-z0-9]{{40,64}}", random_token),
    make_token("1password-token", "ops_eyJ", r"ops_eyJ[\w=-]{60,2000}"),
    make_token("facebook-token", "EAA", rf"{START}EAA[A-Za-z0-9]{{80,400}}", random_token),
    make_token(
        "jwt",
        ".eyJ",
        r"[\w-]*?(?P<secret>eyJ[\w-]{10,}+\.eyJ[\w-]{10,}+(?:\.[\w-]*+){0,3})",
        before=WORD + "-",
        reach=4096,
    ),
    make_token(
        "password-hash",
        "$2a$ $2b$ $2y$ $apr1$ $1$ $5$ $6$ $y$ $argon2",
        r"\$(?:2[aby]|apr1|1|5|6|y|argon2(?:id|i|d))\$[\w./$=,+-]{20,250}",
    ),
    make_token(
        "url-signature", "ignature= sig=", r"(?:ignature|sig)=(?P<secret>[\w.%+/~-]{20,1024})", random_token
    ),
    make_token(
        "url-key", "?key= &key= ?code= &code=", r"[?&](?:key|code)=(?P<secret>[\w.%+/~-]{20,1024})", unnamed
    ),
)
